// Command trivet-snapshot takes snapshots of a host's etcd member, and receives those of other sites' hosts. Units that Trivet writes start it; it ends when it is done.
package main
