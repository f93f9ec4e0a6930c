package topology

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestCalendar(t *testing.T) {
	// A Sunday.
	now := time.Date(2026, 11, 29, 17, 31, 30, 0, time.UTC)
	for text, want := range map[string]string{
		"*-*-* 00/6:00:00":         "2026-11-29T12:00:00Z",
		"hourly":                   "2026-11-29T17:00:00Z",
		"minutely":                 "2026-11-29T17:31:00Z",
		"Daily":                    "2026-11-29T00:00:00Z",
		"weekly":                   "2026-11-23T00:00:00Z",
		"monthly":                  "2026-11-01T00:00:00Z",
		"quarterly":                "2026-10-01T00:00:00Z",
		"yearly":                   "2026-01-01T00:00:00Z",
		"03:00":                    "2026-11-29T03:00:00Z",
		"Mon..Fri 18:30":           "2026-11-27T18:30:00Z",
		"Fri..Sun 18:30":           "2026-11-28T18:30:00Z",
		"Tue,thursday *-*-* 01:00": "2026-11-26T01:00:00Z",
		"Sat":                      "2026-11-28T00:00:00Z",
		"*-*-01,15 04:00":          "2026-11-15T04:00:00Z",
		"02-29 00:00":              "2024-02-29T00:00:00Z",
		"*:0/20":                   "2026-11-29T17:20:00Z",
		"8..16/4:15":               "2026-11-29T16:15:00Z",
		"*:*:0/7":                  "2026-11-29T17:31:28Z",
		"2025-*-* 12:00":           "2025-12-31T12:00:00Z",
	} {
		c, err := ParseCalendar(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		understood(t, text)
		if got, _ := c.Before(now); got.Format(time.RFC3339) != want || c.String() != text {
			t.Errorf("%q: last at %s, want %s", text, got.Format(time.RFC3339), want)
		}
	}
	for text, says := range map[string]string{
		"":                      "it is empty",
		"often":                 `"often" is not a day of the week`,
		"24:00":                 `hour "24": "24" is not a number from 0 to 23`,
		"*/6:00":                "a repetition begins with a value: 0/6",
		"Fri..Mon 03:00":        `"Fri..Mon" do not follow each other`,
		"03:00 Europe/Berlin":   `"Europe/Berlin" behind the time is not understood: times are in UTC`,
		"*-*~01":                "is not a number",
		"02-30 00:00":           "it never comes",
		"5..3:00":               "is not a number from 5 to 23",
		"0/0:00":                "is not a number from 1 to 23",
		"00:00:00.5":            "is not a number",
		"daily\nExecStart=/bin": "it is empty",
		"1-2-3-4 00:00":         "is not a date",
	} {
		if c, err := ParseCalendar(text); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %+v, %v; want …%s…", text, c, err, says)
		}
	}
}

// understood asks systemd where there is one: what is taken here must not be refused on hosts.
func understood(t *testing.T, text string) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		return
	}
	if out, err := exec.Command("systemd-analyze", "calendar", text+" UTC").CombinedOutput(); err != nil {
		t.Errorf("systemd refuses %q: %v: %s", text, err, out)
	}
}
