// Command demo brings the example program up, finds nothing left to do, has the cluster verified, mends drift, goes on with a change that a host stopped, and gives the hosts back: through the Automation API with the real
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
	up(ctx context.Context) (result, error)
	destroy(ctx context.Context) error
	// set changes a setting of the program.
	set(ctx context.Context, name, value string) error
	close()
}

// result is what came of a run.
type result struct {
	workers    any // the workers' addresses by site
	kubeconfig string
	changed    bool // something was created, updated or deleted
}

// complete fails where there was something left to do.
func complete(ctx context.Context, s stack) error {
	fmt.Println("== up, once more")
	got, err := s.up(ctx)
	if err == nil && got.changed {
		err = errors.New("there was something left to do")
	}
	return err
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
	got, err := s.up(ctx)
	if err != nil {
		return err
	}
	if err := complete(ctx, s); err != nil {
		return err
	}
	fmt.Printf("workers: %v\n", got.workers)
	if path := os.Getenv("KUBECONFIG_OUT"); path != "" {
		if err := os.WriteFile(path, []byte(got.kubeconfig), 0o600); err != nil {
			return err
		}
	}
	for _, step := range []func(context.Context, stack) error{verified, mended, resumed} {
		if err := step(ctx, s); err != nil {
			return err
		}
	}
	fmt.Println("== destroy")
	return s.destroy(ctx)
}

// done has something changed, after which nothing is left to do. otherwise tells that nothing changed.
func done(ctx context.Context, s stack, otherwise string) error {
	got, err := s.up(ctx)
	if err == nil && !got.changed {
		err = errors.New(otherwise)
	}
	if err != nil {
		return err
	}
	return complete(ctx, s)
}

// command runs a command of the caller's, by the variable of the environment that has it; there says whether one has.
func command(ctx context.Context, variable string) (there bool, err error) {
	text := os.Getenv(variable)
	if text == "" {
		return false, nil
	}
	c := exec.CommandContext(ctx, "sh", "-c", text)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		return true, fmt.Errorf("%s, %s: %w", variable, text, err)
	}
	return true, nil
}

// verified has the cluster looked at by VERIFY.
func verified(ctx context.Context, _ stack) error {
	fmt.Println("== verify")
	_, err := command(ctx, "VERIFY")
	return err
}

// mended has DRIFT change something by hand, which the next run has to find and mend.
func mended(ctx context.Context, s stack) error {
	fmt.Println("== drift")
	if there, err := command(ctx, "DRIFT"); err != nil || !there {
		return err
	}
	if err := s.preview(ctx); err != nil {
		return err
	}
	fmt.Println("== up, to mend it")
	return done(ctx, s, "nothing was mended")
}

// resumed has BREAK keep a host from a change, which stops it half-way, and MEND heal the host: the next run goes on with the change.
func resumed(ctx context.Context, s stack) error {
	fmt.Println("== a change that a host stops")
	if there, err := command(ctx, "BREAK"); err != nil || !there {
		return err
	}
	if err := s.set(ctx, "maxPods", "42"); err != nil {
		return err
	}
	_, stopped := s.up(ctx)
	if stopped == nil {
		return errors.New("a host that cannot be written to was changed all the same")
	}
	fmt.Println(stopped)
	fmt.Println("== what is left to do")
	if err := s.preview(ctx); err != nil {
		return err
	}
	fmt.Println("== up, the host being well again")
	if _, err := command(ctx, "MEND"); err != nil {
		return err
	}
	return done(ctx, s, "the change was not gone on with")
}
