// Command demo brings the example program up, finds nothing left to do, has the cluster verified by a command of yours, and gives the hosts back: through the Automation API with the real
// pulumi where that is on the PATH, as programs of CI do it, and with the stand-in that the tests use where it is not.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"

	"github.com/pulumi/pulumi/sdk/v3/go/auto"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// stack is the example program with a state.
type stack interface {
	preview(ctx context.Context) error
	// up brings it up and gives the workers' addresses by site and the kubeconfig.
	up(ctx context.Context) (workers any, kubeconfig string, err error)
	// complete fails where there is something left to do.
	complete(ctx context.Context) error
	destroy(ctx context.Context) error
	close()
}

// run takes age public keys.
func run(recipients []string) error {
	if len(recipients) == 0 {
		return errors.New("usage: demo RECIPIENT …: age public keys")
	}
	list, err := json.Marshal(recipients)
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	begin := withoutPulumi
	if _, err := exec.LookPath("pulumi"); err == nil {
		begin = withPulumi
	} else {
		fmt.Println("pulumi is not on the PATH: the stand-in of the tests takes its place")
	}
	s, err := begin(ctx, auto.ConfigMap{"recipients": {Value: string(list)}, "protected": {Value: "false"}})
	if err != nil {
		return err
	}
	defer s.close()
	fmt.Println("== preview")
	if err := s.preview(ctx); err != nil {
		return err
	}
	fmt.Println("== up")
	workers, kubeconfig, err := s.up(ctx)
	if err != nil {
		return err
	}
	fmt.Println("== up, once more")
	if err := s.complete(ctx); err != nil {
		return err
	}
	fmt.Printf("workers: %v\n", workers)
	if path := os.Getenv("KUBECONFIG_OUT"); path != "" {
		if err := os.WriteFile(path, []byte(kubeconfig), 0o600); err != nil {
			return err
		}
	}
	if command := os.Getenv("VERIFY"); command != "" {
		fmt.Println("== verify")
		verify := exec.CommandContext(ctx, "sh", "-c", command)
		verify.Stdout, verify.Stderr = os.Stdout, os.Stderr
		if err := verify.Run(); err != nil {
			return fmt.Errorf("the cluster was not found to be well: %w", err)
		}
	}
	fmt.Println("== destroy")
	return s.destroy(ctx)
}
