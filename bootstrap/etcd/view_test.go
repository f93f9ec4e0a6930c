package etcd

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// While a host is replaced, its old member and the new one may both be in the list.
func TestTwoOfOneName(t *testing.T) {
	v := &view{members: []Member{
		{ID: 0xa, Name: "a", PeerURLs: []string{"https://10.0.0.1:2380"}},
		{ID: 0xb, Name: "b", PeerURLs: []string{"https://10.0.0.2:2380"}},
		{ID: 0xbb, Name: "b", PeerURLs: []string{"https://10.0.0.3:2380"}},
		{ID: 0xc, PeerURLs: []string{"https://10.0.0.4:2380"}},
	}}
	if m, err := v.find("b"); err == nil || !strings.Contains(err.Error(), "2 etcd members are called b: b at https://10.0.0.2:2380; bb at https://10.0.0.3:2380") {
		t.Errorf("find: %v, %v", m, err)
	}
	if m, err := v.find("bb"); err != nil || m == nil || m.PeerURLs[0] != "https://10.0.0.3:2380" {
		t.Errorf("find by ID: %v, %v", m, err)
	}
	if m, err := v.find("d"); err != nil || m != nil {
		t.Errorf("find of nobody: %v, %v", m, err)
	}
	want := []Peer{
		{"a", []string{"https://10.0.0.1:2380"}}, {"b", []string{"https://10.0.0.3:2380"}}, {"b-b", []string{"https://10.0.0.2:2380"}},
		{"unstarted-c", []string{"https://10.0.0.4:2380"}},
	}
	if diff := cmp.Diff(want, v.initial("b", 0xbb)); diff != "" {
		t.Errorf("initial (-want +got):\n%s", diff)
	}
}

// What cannot be added, and what is there already.
func TestMayAdd(t *testing.T) {
	voter := Member{ID: 1, Name: "a", PeerURLs: []string{"https://10.0.0.1:2380"}}
	for says, v := range map[string]*view{
		"a member of this name (2) is in the list at https://10.0.0.2:2380": {members: []Member{voter, {ID: 2, Name: "new", PeerURLs: []string{"https://10.0.0.2:2380"}}}},
		"b (2) is a learner, and etcd has one at a time":                    {members: []Member{voter, {ID: 2, Name: "b", Learner: true}}},
		"2 voting members, 1 healthy, quorum 2": {members: []Member{voter, {ID: 2, PeerURLs: []string{"https://10.0.0.2:2380"}}},
			wrong: map[uint64]string{2: "it was added and has never started"}},
		"": {members: []Member{voter}},
	} {
		if err := v.mayAdd("new"); says == "" && err != nil || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("mayAdd: %v, want …%s…", err, says)
		}
	}
	v := &view{wrong: map[uint64]string{1: "it does not answer"}}
	if err := v.mayBe(voter, "a"); err == nil || !strings.Contains(err.Error(), "when its data are lost, remove it first") {
		t.Errorf("an unhealthy voter at the URL: %v", err)
	}
	if err := v.mayBe(voter, "b"); err == nil || !strings.Contains(err.Error(), "the member a (1) is at this URL") {
		t.Errorf("another's URL: %v", err)
	}
	if err := v.mayBe(Member{ID: 2, Learner: true}, "b"); err != nil {
		t.Errorf("a learner that has not started: %v", err)
	}
}
