package etcd

import (
	"errors"
	"testing"
)

func TestSpare(t *testing.T) {
	member := func(name string) Member {
		return Member{ID: uint64(name[0]), Name: name, PeerURLs: []string{"https://" + name + ":2380"}}
	}
	abc := []Member{member("a"), member("b"), member("c")}
	learner := Member{ID: 'd', Name: "d", Learner: true}
	const gone = "it does not answer: no route to host"
	for name, test := range map[string]struct {
		members []Member
		state   map[string]string
		without string
		says    string // "" when it may stop
	}{
		"all are healthy":                    {abc, map[string]string{"a": "", "b": "", "c": ""}, "b", ""},
		"the one that stops is down already": {abc, map[string]string{"a": "", "b": gone, "c": ""}, "b", ""},
		"another is down": {abc, map[string]string{"a": "", "b": "", "c": gone}, "b",
			"etcd on b may not stop now: 3 voting members, healthy: a, b; without b 1 is left, 2 are needed; c: " + gone},
		"another has no endpoint": {abc, map[string]string{"a": "", "b": ""}, "b",
			"etcd on b may not stop now: 3 voting members, healthy: a, b; without b 1 is left, 2 are needed; c: it is in the member list and not in the topology, so nobody could ask it"},
		"another has never started": {append(abc[:2:2], Member{PeerURLs: []string{"https://192.0.2.3:2380"}}), map[string]string{"a": "", "b": "", "c": gone}, "a",
			"etcd on a may not stop now: 3 voting members, healthy: a, b; without a 1 is left, 2 are needed; the member at https://192.0.2.3:2380: it was added and has never started"},
		"a learner counts for nothing": {append(abc[:2:2], learner), map[string]string{"a": "", "b": "", "d": ""}, "a",
			"etcd on a may not stop now: 2 voting members, healthy: a, b; without a 1 is left, 2 are needed"},
		"a learner takes nothing away": {append(abc[:3:3], learner), map[string]string{"a": "", "b": "", "c": "", "d": ""}, "d", ""},
		"five with one down": {[]Member{member("a"), member("b"), member("c"), member("d"), member("e")},
			map[string]string{"a": "", "b": "", "c": "", "d": "", "e": gone}, "a", ""},
		"the only one": {abc[:1], map[string]string{"a": ""}, "a", ""},
		"not the only one": {abc[:1], map[string]string{"a": gone}, "b",
			"etcd on b may not stop now: 1 voting member, healthy: none; without b 0 are left, 1 are needed; a: " + gone},
		"one that is not in the list": {abc, map[string]string{"a": "", "b": "", "c": gone}, "new", ""},
	} {
		t.Run(name, func(t *testing.T) {
			wrong := make(map[uint64]string)
			for _, m := range test.members {
				why, asked := test.state[m.Name]
				if wrong[m.ID] = why; !asked {
					wrong[m.ID] = m.whyUnasked(nil)
				}
			}
			err := spare(test.members, wrong, test.without)
			var told *SpareError
			switch {
			case err == nil && test.says != "":
				t.Errorf("it may stop, want: %s", test.says)
			case err != nil && (err.Error() != test.says || !errors.As(err, &told)):
				t.Errorf("%v\nwant %s", err, test.says)
			}
		})
	}
}

// What Spare allows agrees with CanLose.
func TestSpareAgreesWithCanLose(t *testing.T) {
	for voters := 2; voters <= 7; voters++ {
		for healthy := 1; healthy <= voters; healthy++ {
			var members []Member
			wrong := make(map[uint64]string)
			for i := range voters {
				m := Member{ID: uint64(i + 1), Name: string(rune('a' + i))}
				members = append(members, m)
				if i >= healthy {
					wrong[m.ID] = "down"
				}
			}
			want, _ := CanLose(voters, healthy, 1)
			if err := spare(members, wrong, "a"); (err == nil) != want {
				t.Errorf("%d of %d healthy: %v, CanLose says %v", healthy, voters, err, want)
			}
		}
	}
}

func TestCorruptMember(t *testing.T) {
	for alarm, want := range map[string]bool{"memberID:7 alarm:CORRUPT ": true, "memberID:77 alarm:CORRUPT ": false, "memberID:7 alarm:NOSPACE ": false} {
		if got := (Status{ID: 7, Alarms: []string{alarm}}).corrupt(); got != want {
			t.Errorf("%q: %v", alarm, got)
		}
	}
}
