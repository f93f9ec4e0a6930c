package hostd

import (
	"bytes"
	"encoding/json"
	"strings"
)

// processExit is the id of systemd's message that the main process of a unit has ended (sd-messages.h, SD_MESSAGE_UNIT_PROCESS_EXIT).
const processExit = "98e322203f7a4ed290d09fe03c09fe15"

// mostWords bounds what is kept of a run.
const mostWords = 16 << 10

// journalEntry is what is read of an entry of the journal, as journalctl --output=json writes it: one object a line.
type journalEntry struct {
	Message   journalText `json:"MESSAGE"`
	MessageID string      `json:"MESSAGE_ID"`
	// Run is the id of the unit's run that a process of it wrote in, Of of the one that systemd writes about.
	Run string `json:"_SYSTEMD_INVOCATION_ID"`
	Of  string `json:"INVOCATION_ID"`
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
	var entries []journalEntry
	ended := ""
	for line := range bytes.Lines(journal) {
		var e journalEntry
		if json.Unmarshal(line, &e) != nil {
			continue
		}
		entries = append(entries, e)
		if e.MessageID == processExit && e.Of != "" {
			ended = e.Of
		}
	}
	if ended == "" {
		return ""
	}
	var b strings.Builder
	for _, e := range entries {
		if e.Run == ended && e.Of == "" {
			b.WriteString(string(e.Message) + "\n")
		}
	}
	words := b.String()
	return words[max(0, len(words)-mostWords):]
}
