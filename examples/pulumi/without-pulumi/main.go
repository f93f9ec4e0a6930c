// Command without-pulumi runs the example program where Pulumi's command is not: through the stand-in that the tests use, with the provider behind a real connection. Its state is in
// memory, so that it brings the clusters up, finds nothing to do, and gives the hosts back.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"

	host "github.com/pulumi/pulumi/sdk/v3/go/pulumi/provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"github.com/trivet-dev/trivet/examples/pulumi/two-places-three-centres/centres"
	"github.com/trivet-dev/trivet/provider/pulumi"
	"github.com/trivet-dev/trivet/provider/pulumi/minengine"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run takes age public keys.
func run(recipients []string) error {
	if len(recipients) == 0 {
		return errors.New("usage: without-pulumi RECIPIENT …: age public keys")
	}
	e, err := minengine.New(context.Background(), func(h *host.HostClient) pulumirpc.ResourceProviderServer { return pulumi.New(h, "demo", nil) })
	if err != nil {
		return err
	}
	defer e.Close()
	list, err := json.Marshal(recipients)
	if err != nil {
		return err
	}
	e.Settings = map[string]string{"recipients": string(list), "protected": "false"}
	e.Watch = func(m minengine.Message) { fmt.Println("   ", m.Text) }
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	go func() {
		for range interrupted {
			if err := e.Cancel(); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}()
	fmt.Println("preview")
	if err := e.Preview(centres.Program); err != nil {
		return err
	}
	fmt.Println("up")
	outputs, err := e.Up(centres.Program)
	if err != nil {
		return err
	}
	fmt.Println("up, once more")
	if _, err := e.Up(centres.Program); err != nil {
		return err
	}
	for _, s := range e.Steps {
		if s.Op != minengine.Same && s.Op != minengine.Read {
			return fmt.Errorf("there was something left to do: %s %s, %v", s.Op, s.URN, s.Diff)
		}
	}
	fmt.Printf("workers: %v\n", outputs["workers"].Mappable())
	if path := os.Getenv("KUBECONFIG_OUT"); path != "" {
		if err := os.WriteFile(path, []byte(outputs["kubeconfig"].StringValue()), 0o600); err != nil {
			return err
		}
	}
	if path := os.Getenv("VERIFIED"); path != "" { // whoever runs this looks at the cluster, and writes there once they have
		if err := waitFor(path); err != nil {
			return err
		}
	}
	fmt.Println("destroy")
	return e.Destroy()
}
