package wire

import (
	"encoding/json"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

// Methods of hostapi.Handler, as they are called on the wire.
const (
	methodObserve    = "observe"
	methodStep       = "step"
	methodReceive    = "receive"
	methodFetch      = "fetch"
	methodServe      = "serve"
	methodHold       = "hold"
	methodRaiseEpoch = "raise-epoch"
	methodDial       = "dial"
	methodLogs       = "logs"
	methodProbe      = "probe"
	methodListen     = "probe-listen"
)

type request struct {
	Method string          `json:"method"`
	Body   json.RawMessage `json:"body"`
}

// ready is the event of Serve (with a port), of ProbeListen (with all ports) and of Hold.
type ready struct {
	Port      int                    `json:"port,omitempty"`
	Listening hostapi.ProbeListening `json:"listening,omitzero"`
}
