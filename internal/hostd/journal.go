package hostd

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Messages of systemd about a unit (sd-messages.h): that a run of it begins, that it is up, and that its main process has ended. Of a unit that has no start to wait for only the second
// one comes first.
const (
	unitStarting = "7d4958e842da4a758f6c1cdc7b36dcc5"
	unitStarted  = "39f53479d3a045ac8e11786248231fbf"
	processExit  = "98e322203f7a4ed290d09fe03c09fe15"
)

// mostWords bounds what is kept of a run.
const mostWords = 16 << 10

// journalEntry is what is read of an entry of the journal, as journalctl --output=json writes it: one object a line.
type journalEntry struct {
	Message   journalText `json:"MESSAGE"`
	MessageID string      `json:"MESSAGE_ID"`
	// Of is the id of the run that systemd writes about; what processes write has none. Theirs of their own would be _SYSTEMD_INVOCATION_ID, which is missing where a process has
	// ended before the journal's daemon looked at it (systemd 252).
	Of string `json:"INVOCATION_ID"`
}

// journalText is a field's value: a text, or the bytes of one that is no UTF-8.
type journalText string

// UnmarshalJSON implements json.Unmarshaler. What is neither is left empty.
func (t *journalText) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*t = journalText(text)
		return nil
	}
	var numbers []int
	if json.Unmarshal(b, &numbers) != nil {
		return nil
	}
	raw := make([]byte, len(numbers))
	for i, n := range numbers {
		raw[i] = byte(n)
	}
	*t = journalText(strings.ToValidUTF8(string(raw), "?"))
	return nil
}

// lastWords finds, in a unit's journal, what its processes wrote in the last run that systemd says has ended.
func lastWords(journal []byte) string {
	var run strings.Builder
	last, ended := "", false
	end := func() {
		if ended {
			last = run.String() // what was read later than the end came from the run all the same
		}
		run.Reset()
		ended = false
	}
	for line := range bytes.Lines(journal) {
		var e journalEntry
		switch {
		case json.Unmarshal(line, &e) != nil:
		case e.MessageID == unitStarting, e.MessageID == unitStarted && ended:
			end()
		case e.MessageID == processExit:
			ended = true
		case e.Of == "":
			run.WriteString(string(e.Message) + "\n")
		}
	}
	end()
	return last[max(0, len(last)-mostWords):]
}
