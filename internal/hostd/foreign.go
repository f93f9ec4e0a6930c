package hostd

import (
	"context"
	"slices"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// foreign looks for what belongs to somebody else in the way of any operation, before the first is begun. It gives the operation.
func (s *stepper) foreign(ctx context.Context) (op int, err error) {
	for i := range s.step.Ops {
		it := s.step.Ops[i].Ensure
		if it == nil || s.rec.find(it.ID()) != nil {
			continue
		}
		switch {
		case it.Directory != nil && !slices.Contains(s.rec.MadeDirs, it.Directory.Path):
			err = s.foreignData(it.Directory)
		case it.Claim != nil && cheap(it.Claim):
			err = s.foreignClaim(ctx, it.Claim)
		}
		if err != nil {
			return i, err
		}
	}
	return 0, nil
}

// cheap claims are looked for without running a program. The others are before they are made.
func cheap(c *hostapi.Claim) bool {
	return c.What != hostapi.ClaimNFTTable && c.What != hostapi.ClaimChains && c.What != hostapi.ClaimCounter
}
