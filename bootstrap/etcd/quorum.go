package etcd

import (
	"fmt"

	"github.com/trivet-dev/trivet/bootstrap/topology"
)

// Quorum is how many of so many voting members must agree.
func Quorum(voters int) int {
	if voters <= 0 {
		return 0
	}
	return voters/2 + 1
}

// CanLose tells whether a cluster of so many voting members, of which so many are healthy, still has a quorum when n healthy ones stop, and shows the sum.
func CanLose(voters, healthy, n int) (ok bool, arithmetic string) {
	quorum, left := Quorum(voters), healthy-n
	sum := fmt.Sprintf("%s, %d healthy, quorum %d: stopping %d leaves %d", topology.Count(voters, "voting member"), healthy, quorum, n, max(left, 0))
	switch {
	case voters <= 0:
		return false, "no voting members are known: nothing may stop"
	case n <= 0:
		return true, sum
	case healthy < quorum:
		return false, sum + ": there is no quorum to begin with"
	case left < quorum:
		return false, fmt.Sprintf("%s, %d too few", sum, quorum-left)
	}
	return true, sum
}

// CanRemove tells whether a voting member may be taken out of the member list, and shows the sum. Taking out a member that is down helps; one that is up lowers
// the votes with the quorum.
func CanRemove(voters, healthy int, targetHealthy bool) (ok bool, arithmetic string) {
	quorum, after := Quorum(voters), Quorum(voters-1)
	left := healthy
	state := "an unhealthy"
	if targetHealthy {
		left, state = healthy-1, "a healthy"
	}
	sum := fmt.Sprintf("%s, %d healthy, quorum %d: removing %s one leaves %d healthy of %d, quorum %d", topology.Count(voters, "voting member"), healthy, quorum, state,
		max(left, 0), max(voters-1, 0), after)
	switch {
	case voters <= 1:
		return false, sum + ": the last member holds all data"
	case healthy < quorum:
		return false, sum + ": there is no quorum to agree on the removal"
	case left < after:
		return false, fmt.Sprintf("%s, %d too few", sum, after-left)
	}
	return true, sum
}

// CanPromote tells whether a caught-up learner may become a voting member, and shows the sum: the new member raises the quorum before it is known to vote, so that the
// healthy ones must be a quorum of the larger cluster without it. It is as etcd 3.7.3 has it for adding a member (server/etcdserver/util.go,
// isConnectedToQuorumAfterAddingNewMemberSince): a cluster of one must hang on the second.
func CanPromote(voters, healthy int) (ok bool, arithmetic string) {
	quorum, after := Quorum(voters), Quorum(voters+1)
	sum := fmt.Sprintf("%s, %d healthy, quorum %d: promoting one makes %d, quorum %d", topology.Count(voters, "voting member"), healthy, quorum, voters+1, after)
	switch {
	case voters <= 0:
		return false, "no voting members are known: nothing can be promoted"
	case healthy < quorum:
		return false, sum + ": there is no quorum to agree on it"
	case healthy < after && voters > 1:
		return false, fmt.Sprintf("%s, %d too few without the new one: bring the others back, or remove them first", sum, after-healthy)
	}
	return true, sum
}
