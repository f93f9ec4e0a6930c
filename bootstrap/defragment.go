package bootstrap

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/trivet-dev/trivet/bootstrap/etcd"
	"github.com/trivet-dev/trivet/bootstrap/event"
)

// Defragmented tells what was done to one member.
type Defragmented struct {
	Member string `json:"member"`
	Before int64  `json:"before"` // bytes of the database's file
	After  int64  `json:"after"`
	InUse  int64  `json:"inUse"` // bytes that it holds
	// Skipped says why nothing was done.
	Skipped string `json:"skipped,omitempty"`
}

// A database is worth it when this much of its file, and no less than so many bytes, holds nothing.
const (
	wasteShare = 0.45
	wasteBytes = 100 << 20
)

// Defragment rewrites the databases of etcd's members, one after the other under the run lock, the leader last: each only while the others keep a quorum. Members whose files hold
// little that is free are left alone, unless all is set. What was done until then is returned with an error, too.
func (e *Engine) Defragment(ctx context.Context, all bool) ([]Defragmented, error) {
	held, err := e.lock(ctx, "defragment")
	if err != nil {
		return nil, err
	}
	defer held.release()
	ctx, cancel := held.context(ctx)
	defer cancel(nil)
	client, err := e.etcd()
	if err != nil {
		return nil, err
	}
	defer client.Close() //nolint:errcheck // nothing is asked any more
	members := client.Status(ctx)
	slices.SortStableFunc(members, func(a, b etcd.Status) int { return cmp.Compare(leads(a), leads(b)) })
	for _, m := range members {
		// A member that is away fails the run before anything is done to the others.
		if m.Error != "" {
			return nil, fmt.Errorf("etcd member %s: %s: members are defragmented while all are well", m.Name, m.Error)
		}
	}
	began := e.Now()
	e.emit(event.Event{Kind: event.PhaseStarted, Phase: defragmentPhase, Message: defragmentTitle})
	var done []Defragmented
	for _, m := range members {
		out := Defragmented{Member: m.Name, Before: m.DBSize, After: m.DBSize, InUse: m.DBInUse}
		if free := m.DBSize - m.DBInUse; !all && (free < wasteBytes || float64(free) < wasteShare*float64(m.DBSize)) {
			out.Skipped = "little of its file is free"
			done = append(done, out)
			continue
		}
		item := "defragment " + m.Name
		start := e.Now()
		e.emit(event.Event{Kind: event.ActionStarted, Phase: defragmentPhase, Host: m.Name, Item: item})
		sizes, err := e.defragment(ctx, client, m.Name)
		if err != nil {
			return done, err
		}
		e.emit(event.Event{Kind: event.ActionDone, Phase: defragmentPhase, Host: m.Name, Item: item, State: "changed", Elapsed: e.Now().Sub(start)})
		out.Before, out.After = sizes.Before, sizes.After
		done = append(done, out)
	}
	e.emit(event.Event{Kind: event.PhaseDone, Phase: defragmentPhase, Message: defragmentTitle, Elapsed: e.Now().Sub(began)})
	return done, nil
}

const (
	defragmentPhase = "defragment"
	defragmentTitle = "Defragment etcd's members, one at a time"
)

// defragment does one member, and waits until it serves again.
func (e *Engine) defragment(ctx context.Context, client *etcd.Client, name string) (etcd.Defragmented, error) {
	waiting, cancel := context.WithTimeout(ctx, e.GateTimeout)
	defer cancel()
	wait := func(member, why string) {
		e.emit(event.Event{Kind: event.Waiting, Phase: defragmentPhase, Host: member, Message: why})
	}
	say := func(why string) { wait(name, why) }
	if err := client.WaitSpare(waiting, name, say); err != nil {
		return etcd.Defragmented{}, err
	}
	working, cancelWorking := context.WithTimeout(ctx, e.GateTimeout+etcd.DefragmentFor)
	defer cancelWorking()
	sizes, err := client.Defragment(working, name, say)
	if err != nil {
		return sizes, err
	}
	again, cancelAgain := context.WithTimeout(ctx, e.GateTimeout)
	defer cancelAgain()
	return sizes, client.WaitHealthy(again, nil, func(state map[string]string) {
		for member, why := range state {
			if why != "" {
				wait(member, why)
			}
		}
	})
}

func leads(s etcd.Status) int {
	if s.IsLeader() {
		return 1
	}
	return 0
}
