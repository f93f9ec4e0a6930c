package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/trivet-dev/trivet/bootstrap/certs"
	"github.com/trivet-dev/trivet/bootstrap/desired"
	"github.com/trivet-dev/trivet/bootstrap/inventory"
	"github.com/trivet-dev/trivet/internal/hostapi"
)

// hostDiff collects the differences of one host.
type hostDiff struct {
	want    *desired.Host
	seen    *hostapi.Observation
	public  inventory.Public
	now     time.Time
	renew   *Renewal
	record  map[hostapi.ID]hostapi.RecordedItem
	drift   map[hostapi.ID]hostapi.Drift
	changed map[hostapi.ID]bool // what their readers have to be restarted for
}

// diffHost returns the actions that bring a host from what was seen to what is wanted, removals last, in the order in which they are to be done. Drift that leave says yes to is
// left as it is.
func diffHost(want *desired.Host, seen *hostapi.Observation, public inventory.Public, now time.Time, leave func(hostapi.Drift) bool, renew *Renewal) ([]Action, error) {
	d := &hostDiff{want: want, seen: seen, public: public, now: now, renew: renew,
		record: map[hostapi.ID]hostapi.RecordedItem{}, drift: map[hostapi.ID]hostapi.Drift{}, changed: map[hostapi.ID]bool{}}
	if seen.Record != nil {
		for _, r := range seen.Record.Items {
			d.record[r.Item.ID()] = r
		}
	}
	for _, x := range seen.Drift {
		if leave == nil || !leave(x) {
			d.drift[x.ID] = x
		}
	}
	var out []Action
	wanted := map[hostapi.ID]bool{}
	for i := range want.Items {
		item := &want.Items[i]
		id := item.ID()
		if wanted[id] {
			return nil, fmt.Errorf("host %s: %s is desired twice: this is a mistake in trivet, please report it", want.Name, id)
		}
		wanted[id] = true
		a, ok := d.item(item)
		if !ok {
			continue
		}
		d.changed[id] = !d.quiet(item, a)
		out = append(out, a)
	}
	return append(out, d.removals(wanted)...), nil
}

func (d *hostDiff) item(item *desired.Item) (Action, bool) {
	id := item.ID()
	a := Action{ID: id, Part: item.Part, Item: item}
	rec, known := d.record[id]
	switch {
	case !known:
		a.Verb, a.Reason = Create, "not there yet"
		if item.Unit != nil {
			a.Verb = Start
		}
	case rec.Pending:
		a.Verb, a.Reason = Update, "an earlier run was interrupted here"
		if item.Unit != nil && !rec.Unmade {
			d.unit(&a, item.Unit, rec) // what goes before a restart, and waits after it, does so where it is done again
		}
	default:
		reason := d.differs(item, rec)
		if reason != "" {
			a.Verb, a.Reason = Update, reason
			a.Before, a.After = d.beforeAfter(item, rec)
			a.Diff = d.fileDiff(item)
		} else if drift, ok := d.drift[id]; ok {
			a.Verb, a.Reason = Mend, drift.What
			a.Diff = d.fileDiff(item)
		}
		if item.Unit != nil {
			d.unit(&a, item.Unit, rec)
		}
		if a.Verb == "" {
			return a, false
		}
	}
	return a, true
}

// quiet says whether an action is no reason to restart what uses its item: it mends or changes no more than a file's mode and owner, or what is known of a by-product.
func (d *hostDiff) quiet(item *desired.Item, a Action) bool {
	drift, drifted := d.drift[a.ID]
	if item.Claim != nil {
		return a.Verb == Update && !d.record[a.ID].Pending && !drifted
	}
	if item.File == nil {
		return false
	}
	if a.Verb == Mend {
		return drift.Code == hostapi.DriftAccess
	}
	rec := d.record[a.ID]
	if a.Verb != Update || rec.Pending || rec.Item.File == nil || drifted {
		return false
	}
	have := *rec.Item.File
	have.Mode, have.Owner, have.Group = item.File.Mode, item.File.Owner, item.File.Group
	return bytes.Equal(specOf(item.Item), specOf(hostapi.Item{File: &have}))
}

// unit turns a change of a unit's inputs into a restart, and says what that disrupts.
func (d *hostDiff) unit(a *Action, u *hostapi.Unit, rec hostapi.RecordedItem) {
	var because []string
	for _, in := range u.Inputs {
		if d.changed[in] {
			because = append(because, in.Name)
		}
	}
	switch {
	case len(because) > 0:
		a.Verb, a.Reason = Restart, "changed: "+strings.Join(because, ", ")
	case rec.Stale:
		a.Verb = Restart
		if !rec.Pending {
			a.Reason = "an input changed after its last start"
		}
	}
	if a.Verb == Restart {
		if u.Reload {
			a.Disrupts = "nothing (reload)"
		} else {
			a.Disrupts = u.Name + " on this host, while it restarts"
		}
	}
}

// differs says why the item as recorded is not the item as desired, "" when it is.
func (d *hostDiff) differs(item *desired.Item, rec hostapi.RecordedItem) string {
	if item.Certificate != nil {
		kp := rec.Item.KeyPair
		if kp == nil {
			return "recorded as something else"
		}
		authority := d.public.Authorities[string(item.Certificate.Authority)]
		if reason := item.Certificate.Check(kp.Certificate, []byte(authority), d.now); reason != "" {
			return reason
		}
		if d.renew.asked(d.want.Name, item.Certificate, kp.Certificate) {
			return "its renewal was asked for"
		}
	}
	if item.InitialCluster && rec.Item.File != nil {
		f := *item.File
		f.SHA256 = rec.Item.File.SHA256
		item = &desired.Item{Item: hostapi.Item{File: &f}}
	}
	want, have := specOf(item.Item), specOf(rec.Item)
	if bytes.Equal(want, have) {
		return ""
	}
	return describe(want, have)
}

// specOf is the item without what is made during an apply or only travels.
func specOf(i hostapi.Item) []byte {
	if i.File != nil {
		f := *i.File
		f.Content = nil
		i.File = &f
	}
	if i.KeyPair != nil {
		k := *i.KeyPair
		k.Certificate, k.Key = nil, nil
		i.KeyPair = &k
	}
	b, err := json.Marshal(i)
	if err != nil {
		panic("plan: " + err.Error()) // items hold plain data only
	}
	return b
}

// describe names the fields in which two specs of the same kind differ.
func describe(want, have []byte) string {
	var w, h map[string]map[string]any
	if json.Unmarshal(want, &w) != nil || json.Unmarshal(have, &h) != nil {
		return "differs"
	}
	var names []string
	for kind, fields := range w {
		for k, v := range fields {
			if fmt.Sprint(v) != fmt.Sprint(h[kind][k]) {
				names = append(names, k)
			}
		}
		for k := range h[kind] {
			if _, ok := fields[k]; !ok {
				names = append(names, k)
			}
		}
	}
	sort.Strings(names)
	for i, n := range names {
		if n == "sha256" {
			names[i] = "content"
		}
	}
	return strings.Join(names, ", ") + " changed"
}

func (d *hostDiff) beforeAfter(item *desired.Item, rec hostapi.RecordedItem) (before, after string) {
	switch {
	case item.Sysctl != nil && rec.Item.Sysctl != nil:
		return rec.Item.Sysctl.Value, item.Sysctl.Value
	case item.Artifact != nil && rec.Item.Artifact != nil:
		return short(rec.Item.Artifact.Blob.SHA256), short(item.Artifact.Blob.SHA256)
	case item.File != nil && rec.Item.File != nil && !item.File.Secret && item.File.SHA256 != rec.Item.File.SHA256:
		return short(rec.Item.File.SHA256), short(item.File.SHA256)
	case item.Certificate != nil && rec.Item.KeyPair != nil:
		return certs.Describe(rec.Item.KeyPair.Certificate), ""
	}
	return "", ""
}

func (d *hostDiff) fileDiff(item *desired.Item) string {
	f := item.File
	if f == nil || f.Secret || len(f.Content) == 0 {
		return ""
	}
	have, ok := d.seen.Contents[f.Path]
	if !ok {
		return ""
	}
	text := string(diff.Diff(f.Path+" (host)", have, f.Path+" (desired)", f.Content))
	if strings.HasPrefix(text, "diff ") { // the line of a command that nobody ran
		_, text, _ = strings.Cut(text, "\n")
	}
	return text
}

// removals lists recorded items that are no longer wanted, the last made first.
func (d *hostDiff) removals(wanted map[hostapi.ID]bool) []Action {
	var out []Action
	if d.seen.Record == nil {
		return nil
	}
	items := d.seen.Record.Items
	for i := len(items) - 1; i >= 0; i-- {
		id := items[i].Item.ID()
		if !wanted[id] {
			out = append(out, Action{Verb: Remove, ID: id, Reason: "no longer part of the topology"})
		}
	}
	return out
}

func short(sha string) string {
	if len(sha) > 12 {
		return sha[:12]
	}
	return sha
}
