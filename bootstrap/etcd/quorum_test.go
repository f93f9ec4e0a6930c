package etcd

import (
	"strings"
	"testing"
)

func TestQuorum(t *testing.T) {
	for voters, want := range map[int]int{0: 0, 1: 1, 2: 2, 3: 2, 4: 3, 5: 3, 6: 4, 7: 4} {
		if got := Quorum(voters); got != want {
			t.Errorf("Quorum(%d) = %d, want %d", voters, got, want)
		}
	}
}

func TestCanLose(t *testing.T) {
	for _, test := range []struct {
		voters, healthy, n int
		ok                 bool
		says               string
	}{
		{3, 3, 1, true, "3 voting members, 3 healthy, quorum 2: stopping 1 leaves 2"},
		{3, 3, 2, false, "3 voting members, 3 healthy, quorum 2: stopping 2 leaves 1, 1 too few"},
		{3, 2, 1, false, "3 voting members, 2 healthy, quorum 2: stopping 1 leaves 1, 1 too few"},
		{3, 1, 1, false, "3 voting members, 1 healthy, quorum 2: stopping 1 leaves 0: there is no quorum to begin with"},
		{3, 1, 0, true, "3 voting members, 1 healthy, quorum 2: stopping 0 leaves 1"},
		{5, 5, 2, true, "5 voting members, 5 healthy, quorum 3: stopping 2 leaves 3"},
		{5, 4, 2, false, "5 voting members, 4 healthy, quorum 3: stopping 2 leaves 2, 1 too few"},
		{4, 4, 1, true, "4 voting members, 4 healthy, quorum 3: stopping 1 leaves 3"},
		{4, 4, 2, false, "4 voting members, 4 healthy, quorum 3: stopping 2 leaves 2, 1 too few"},
		{2, 2, 1, false, "2 voting members, 2 healthy, quorum 2: stopping 1 leaves 1, 1 too few"},
		{1, 1, 1, false, "1 voting member, 1 healthy, quorum 1: stopping 1 leaves 0, 1 too few"},
		{0, 0, 1, false, "no voting members are known: nothing may stop"},
	} {
		ok, says := CanLose(test.voters, test.healthy, test.n)
		if ok != test.ok || says != test.says {
			t.Errorf("CanLose(%d, %d, %d)\n  = %v, %q\n  want %v, %q", test.voters, test.healthy, test.n, ok, says, test.ok, test.says)
		}
	}
}

func TestCanRemove(t *testing.T) {
	for _, test := range []struct {
		voters, healthy int
		targetHealthy   bool
		ok              bool
		says            string
	}{
		{3, 3, true, true, "removing a healthy one leaves 2 healthy of 2, quorum 2"},
		{3, 2, false, true, "removing an unhealthy one leaves 2 healthy of 2, quorum 2"},
		{3, 2, true, false, "removing a healthy one leaves 1 healthy of 2, quorum 2, 1 too few"},
		{3, 1, false, false, "no quorum to agree on the removal"},
		{2, 2, true, true, "leaves 1 healthy of 1, quorum 1"},
		{2, 1, false, false, "no quorum to agree on the removal"},
		{4, 3, true, true, "leaves 2 healthy of 3, quorum 2"},
		{5, 3, true, false, "leaves 2 healthy of 4, quorum 3, 1 too few"},
		{1, 1, true, false, "the last member holds all data"},
	} {
		ok, says := CanRemove(test.voters, test.healthy, test.targetHealthy)
		if ok != test.ok || !strings.Contains(says, test.says) {
			t.Errorf("CanRemove(%d, %d, %v)\n  = %v, %q\n  want %v, …%q…", test.voters, test.healthy, test.targetHealthy, ok, says, test.ok, test.says)
		}
	}
}

func TestCanPromote(t *testing.T) {
	for _, test := range []struct {
		voters, healthy int
		ok              bool
	}{{1, 1, true}, {2, 2, true}, {3, 3, true}, {3, 2, false}, {3, 1, false}, {4, 3, true}, {4, 2, false}, {5, 4, true}, {5, 3, false}, {0, 0, false}} {
		if ok, says := CanPromote(test.voters, test.healthy); ok != test.ok {
			t.Errorf("CanPromote(%d, %d) = %v (%s), want %v", test.voters, test.healthy, ok, says, test.ok)
		}
	}
}

// Whatever CanLose allows leaves a quorum, and whatever leaves one is allowed.
func TestCanLoseIsExact(t *testing.T) {
	for voters := 1; voters <= 9; voters++ {
		for healthy := 0; healthy <= voters; healthy++ {
			for n := 1; n <= healthy; n++ {
				ok, says := CanLose(voters, healthy, n)
				if majority := 2*(healthy-n) > voters; ok != majority {
					t.Errorf("CanLose(%d, %d, %d) = %v, a majority is left: %v (%s)", voters, healthy, n, ok, majority, says)
				}
			}
		}
	}
}
