package inventory

import "time"

// Stage is how far the replacement of an authority or a key has come. What is handed out follows from the stage through Public: all hosts are brought to one stage before the next.
type Stage string

// Stages, in their order. Not every authority or key passes all of them.
const (
	StageSettled Stage = ""
	StageTrust   Stage = "trust"  // the new one is there and everybody accepts it; the old one signs
	StageSpread  Stage = "spread" // a rest, so that all that is not on hosts learns to accept it, too
	StageSign    Stage = "sign"   // the new one signs, and everything it signs for is issued anew
	StageRenew   Stage = "renew"  // what asks for certificates by itself asks for new ones
	StageRetire  Stage = "retire" // a rest, so that what the old one signed is replaced or ends
	StageDrop    Stage = "drop"   // nobody accepts the old one any more; it is still in the sealed identity
)

// Rotation is the state of one authority or key.
type Rotation struct {
	Generation int   `json:"generation"` // of the newest; the first is 1
	Stage      Stage `json:"stage,omitempty"`
	// Since is when a rest began.
	Since time.Time `json:"since,omitzero"`
}

// Rotation returns the state of an authority or key, by the name that topologies use.
func (inv *Inventory) Rotation(name string) Rotation {
	if r, ok := inv.Rotations[name]; ok {
		return r
	}
	return Rotation{Generation: 1}
}
