package topology

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Calendar is a calendar expression as systemd's timers have it (systemd.time(7), systemd 252), in UTC: "daily", "Mon..Fri 03:00", "*-*-01 00:00", "*-*-* 00/6:00:00". Time zones,
// fractions of seconds and days counted from the end of a month are left out.
type Calendar struct {
	text                                         string
	weekdays                                     []int // 0 is Sunday; nil is any, as below
	years, months, days, hours, minutes, seconds []int
}

// String returns the expression as it was written.
func (c Calendar) String() string { return c.text }

// MarshalText implements encoding.TextMarshaler.
func (c Calendar) MarshalText() ([]byte, error) { return []byte(c.text), nil }

// UnmarshalText implements encoding.TextUnmarshaler. No text is no calendar.
func (c *Calendar) UnmarshalText(text []byte) (err error) {
	*c = Calendar{}
	if len(text) > 0 {
		*c, err = ParseCalendar(string(text))
	}
	return err
}

// Equal compares what was written.
func (c Calendar) Equal(other Calendar) bool { return c.text == other.text }

var calendarWords = map[string]string{
	"minutely": "*-*-* *:*:00", "hourly": "*-*-* *:00:00", "daily": "*-*-* 00:00:00", "weekly": "Mon *-*-* 00:00:00", "monthly": "*-*-01 00:00:00",
	"quarterly": "*-01,04,07,10-01 00:00:00", "semiannually": "*-01,07-01 00:00:00", "yearly": "*-01-01 00:00:00", "annually": "*-01-01 00:00:00",
}

// ParseCalendar reads an expression.
func ParseCalendar(text string) (Calendar, error) {
	c := Calendar{text: text}
	whole := text
	if word, ok := calendarWords[strings.ToLower(text)]; ok {
		whole = word
	}
	parts := strings.Fields(whole)
	if len(parts) == 0 || strings.Contains(whole, "\n") {
		return Calendar{}, errors.New("it is empty")
	}
	if first := parts[0]; strings.ContainsAny(strings.ToLower(first[:1]), "abcdefghijklmnopqrstuvwxyz") {
		days, err := weekdays(first)
		if err != nil {
			return Calendar{}, err
		}
		c.weekdays, parts = days, parts[1:]
	}
	date, clock := "*-*-*", "00:00:00"
	if len(parts) > 0 && !strings.Contains(parts[0], ":") {
		date, parts = parts[0], parts[1:]
	}
	if len(parts) > 0 {
		clock, parts = parts[0], parts[1:]
	}
	if len(parts) > 0 {
		return Calendar{}, fmt.Errorf("%q behind the time is not understood: times are in UTC", strings.Join(parts, " "))
	}
	if err := errors.Join(c.setDate(date), c.setClock(clock)); err != nil {
		return Calendar{}, err
	}
	year := 2100
	if c.years != nil {
		year = c.years[len(c.years)-1]
	}
	if _, ok := c.Before(time.Date(year, 12, 31, 23, 59, 59, 0, time.UTC)); !ok {
		return Calendar{}, errors.New("it never comes")
	}
	return c, nil
}

func (c *Calendar) setDate(text string) error {
	parts := strings.Split(text, "-")
	if len(parts) == 2 {
		parts = append([]string{"*"}, parts...)
	}
	if len(parts) != 3 {
		return fmt.Errorf("%q is not a date such as *-*-* or *-*-01", text)
	}
	return fields(parts, []string{"year", "month", "day"}, [][2]int{{1970, 2199}, {1, 12}, {1, 31}}, []*[]int{&c.years, &c.months, &c.days})
}

func (c *Calendar) setClock(text string) error {
	parts := strings.Split(text, ":")
	if len(parts) == 2 {
		parts = append(parts, "00")
	}
	if len(parts) != 3 {
		return fmt.Errorf("%q is not a time such as 03:00 or 00/6:00:00", text)
	}
	return fields(parts, []string{"hour", "minute", "second"}, [][2]int{{0, 23}, {0, 59}, {0, 59}}, []*[]int{&c.hours, &c.minutes, &c.seconds})
}

func fields(parts, names []string, bounds [][2]int, into []*[]int) error {
	var errs []error
	for i, part := range parts {
		values, err := component(part, bounds[i][0], bounds[i][1])
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %q: %w", names[i], part, err))
		}
		*into[i] = values
	}
	return errors.Join(errs...)
}

// component reads "*", or a list of values and ranges, each perhaps with a repetition: "1,4..6", "0/15", "8..18/2".
func component(text string, low, high int) ([]int, error) {
	if text == "*" {
		return nil, nil
	}
	var out []int
	for part := range strings.SplitSeq(text, ",") {
		span, every, repeated := strings.Cut(part, "/")
		from, to, ranged := strings.Cut(span, "..")
		if from == "*" {
			return nil, fmt.Errorf("a repetition begins with a value: %d/%s", low, every)
		}
		first, err := number(from, low, high)
		if err != nil {
			return nil, err
		}
		last, step := first, 1
		if repeated {
			last = high
			if step, err = number(every, 1, high); err != nil {
				return nil, err
			}
		}
		if ranged {
			if last, err = number(to, first, high); err != nil {
				return nil, err
			}
		}
		for v := first; v <= last; v += step {
			out = append(out, v)
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func number(text string, low, high int) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || int(n) < low || int(n) > high {
		return 0, fmt.Errorf("%q is not a number from %d to %d", text, low, high)
	}
	return int(n), nil
}

// weekdays reads "Mon", "Mon,Wed" or "Mon..Fri".
func weekdays(text string) ([]int, error) {
	day := func(name string) (int, error) {
		for i := range 7 {
			full := time.Weekday(i).String()
			if strings.EqualFold(name, full) || strings.EqualFold(name, full[:3]) {
				return i, nil
			}
		}
		return 0, fmt.Errorf("%q is not a day of the week such as Mon, nor one of hourly, daily, weekly and monthly", name)
	}
	var out []int
	for part := range strings.SplitSeq(text, ",") {
		from, to, ranged := strings.Cut(part, "..")
		first, err := day(from)
		if err != nil {
			return nil, err
		}
		last := first
		if ranged {
			if last, err = day(to); err != nil {
				return nil, err
			}
		}
		if (last+6)%7 < (first+6)%7 {
			return nil, fmt.Errorf("the days %q do not follow each other in a week that begins on Monday", part)
		}
		for d := first; ; d = (d + 1) % 7 {
			out = append(out, d)
			if d == last {
				break
			}
		}
	}
	return out, nil
}

func among(values []int, v int) bool { return values == nil || slices.Contains(values, v) }

// Before returns the last time at or before t that the expression names; false when there is none in the forty years before, the longest that a date can be away.
func (c Calendar) Before(t time.Time) (time.Time, bool) {
	t = t.UTC().Truncate(time.Second)
	limit := t.AddDate(-40, 0, 0)
	for day := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC); day.After(limit); day = day.AddDate(0, 0, -1) {
		if !among(c.years, day.Year()) || !among(c.months, int(day.Month())) || !among(c.days, day.Day()) || !among(c.weekdays, int(day.Weekday())) {
			continue
		}
		if at, ok := c.clockBefore(day, t); ok {
			return at, true
		}
	}
	return time.Time{}, false
}

// clockBefore finds the last time of a day that is not after t.
func (c Calendar) clockBefore(day, t time.Time) (time.Time, bool) {
	for h := 23; h >= 0; h-- {
		if !among(c.hours, h) || day.Add(time.Duration(h)*time.Hour).After(t) {
			continue
		}
		for m := 59; m >= 0; m-- {
			if !among(c.minutes, m) || day.Add(time.Duration(h)*time.Hour+time.Duration(m)*time.Minute).After(t) {
				continue
			}
			for s := 59; s >= 0; s-- {
				at := day.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second)
				if among(c.seconds, s) && !at.After(t) {
					return at, true
				}
			}
		}
	}
	return time.Time{}, false
}
