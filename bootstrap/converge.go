package bootstrap

import (
	"context"
	"errors"

	"github.com/trivet-dev/trivet/bootstrap/plan"
)

// replans bounds how often Converge plans again because hosts changed meanwhile.
const replans = 5

// Converge plans, and has carryOut apply each plan, until no other one follows; it gives the last plan. Where hosts changed after a plan was made, as they do while the helpers of an
// interrupted run end their last operation, it tells again and begins anew: nothing was done then, and what is applied is always what carryOut was given.
//
// carryOut may ask for consent. A plan that follows on one that was carried out was answered for with it: they are stages of one change, and none of them takes back what the first one
// promises.
func (e *Engine) Converge(ctx context.Context, carryOut func(p *plan.Plan, follows bool) error, again func(*StaleError)) (*plan.Plan, error) {
	follows := false
	for try := 1; ; try++ {
		p, err := e.Plan(ctx)
		if err != nil {
			return nil, err
		}
		err = carryOut(p, follows)
		if err == nil && p.GoesOn {
			try, follows = 0, true
			continue
		}
		var stale *StaleError
		if err == nil || try == replans || !errors.As(err, &stale) {
			return p, err
		}
		again(stale)
	}
}
