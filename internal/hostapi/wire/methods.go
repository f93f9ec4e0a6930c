package wire

import "encoding/json"

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
)

type request struct {
	Method string          `json:"method"`
	Body   json.RawMessage `json:"body"`
}

// ready is the event of Serve (with a port) and of Hold.
type ready struct {
	Port int `json:"port,omitempty"`
}
