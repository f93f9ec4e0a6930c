// Package lab makes a topology's hosts on this one machine: each host is a real
// systemd in namespaces of its own, reached over a real OpenSSH server, with a bridge
// per site and a router between the sites.
//
// Nothing of a lab lives in the machine's own network namespace: the bridges are in
// the lab's router namespace, and the operator dials from the lab's operator
// namespace, so any address plan works and none leaks. Nothing mounted for a host is
// visible on the machine either: a host's root is mounted in a mount namespace that
// ends with it.
//
// Every name on the machine (network namespaces, control groups, folders) follows from
// the lab's and the host's name, and whether a host runs is read from its control
// group, never from a remembered pid. So what a killed command left behind is always
// found again, by the next Up and by Down.
package lab
