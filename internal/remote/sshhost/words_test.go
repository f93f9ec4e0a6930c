package sshhost

import (
	"strings"
	"testing"

	"golang.org/x/crypto/ssh/knownhosts"
)

// TestWords: remedies name settings as their users call them, and no file that somebody else has written the lines of known hosts into.
func TestWords(t *testing.T) {
	const file = "/tmp/written-by-a-provider"
	e := &endpoint{
		Hop: Hop{Name: "w1", Address: "10.11.1.12", Port: 22, KnownHosts: []string{file}}, role: "host",
		words: Words{HostKey: "ssh_host_key", SudoPassword: "sudo_password", KnownHosts: "known_hosts of the provider block", Strict: true},
	}
	key := probeKey()
	for name, err := range map[string]error{
		"unknown": unknownKey(e, key),
		"changed": changed(e, key, []knownhosts.KnownKey{{Key: key, Filename: file, Line: 3}}),
		"sudo":    (&channel{c: &conn{e: e}}).sudoError("it asks for a password", "set sudo_password_file"),
	} {
		text := err.Error()
		if strings.Contains(text, file) || strings.Contains(text, "_file") || strings.Contains(text, "host_keys") {
			t.Errorf("%s: %s", name, text)
		}
		if name != "sudo" && (!strings.Contains(text, "ssh_host_key") || !strings.Contains(text, "known_hosts of the provider block")) {
			t.Errorf("%s: %s", name, text)
		}
	}
	if text := noKnownHosts(e).Error(); !strings.Contains(text, "pin the key with ssh_host_key") || strings.Contains(text, "host_keys") {
		t.Error(text)
	}
}
