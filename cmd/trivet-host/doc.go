// Command trivet-host is Trivet's one-shot helper on a host. It speaks the helper's protocol on stdin and stdout, and ends with them. Nothing
// of it stays running.
package main
