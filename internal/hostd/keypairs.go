package hostd

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

type keyPairKind struct{}

const (
	certMode fs.FileMode = 0o644
	keyMode  fs.FileMode = 0o600
)

func (keyPairKind) prepare(_ context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	k := full.KeyPair
	if len(k.Certificate) == 0 {
		return false, errors.New("the step brings no certificate")
	}
	if len(k.Key) > 0 {
		if why := mismatch(k.Certificate, k.Key); why != "" {
			return false, errors.New(why)
		}
	}
	for _, p := range []string{k.CertPath, k.KeyPath} {
		if err := s.capture(e, p); err != nil {
			return false, err
		}
		s.needParents(p)
	}
	cert, key, err := s.keyPairFiles(k)
	if err != nil {
		return false, err
	}
	return !s.fileRight(cert, hostapi.Digest(cert.Content)) || !s.fileRight(key, hostapi.Digest(key.Content)), nil
}

// keyPairFiles are the two files of a pair. Without a key in the step, the one on the host is kept, if it belongs to the certificate.
func (s *stepper) keyPairFiles(k *hostapi.KeyPair) (cert, key *hostapi.File, err error) {
	content := k.Key
	if len(content) == 0 {
		content, err = os.ReadFile(s.path(k.KeyPath))
		if err != nil {
			return nil, nil, fmt.Errorf("the step brings no key, and the one on the host cannot be read: %w", err)
		}
		if why := mismatch(k.Certificate, content); why != "" {
			return nil, nil, errors.New("the step brings no key, and with the one on the host " + why)
		}
	}
	cert = &hostapi.File{Path: k.CertPath, Mode: certMode, Owner: k.Owner, Group: k.Group, Content: k.Certificate}
	key = &hostapi.File{Path: k.KeyPath, Mode: keyMode, Owner: k.Owner, Group: k.Group, Content: content}
	return cert, key, nil
}

func (keyPairKind) apply(_ context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	cert, key, err := s.keyPairFiles(full.KeyPair)
	if err != nil {
		return false, err
	}
	e.Digests = map[string]string{}
	var todo []*hostapi.File
	for _, f := range []*hostapi.File{key, cert} {
		digest := hostapi.Digest(f.Content)
		e.Digests[f.Path] = digest
		if s.fileRight(f, digest) {
			s.unstage(f.Path)
			continue
		}
		if err := s.put(f.Path, f.Content, f.Mode, f.Owner, f.Group); err != nil {
			return false, err
		}
		todo = append(todo, f)
	}
	// Both are staged and synced, so the time in which they do not match is that between two renames.
	for _, f := range todo {
		if err := s.rename(f.Path); err != nil {
			return false, err
		}
		s.hook("renamed " + f.Path)
	}
	// A path that the pair had before and has no more.
	for _, p := range e.versions() {
		for _, old := range itemPaths(p) {
			if old != cert.Path && old != key.Path {
				if err := s.restore(old, e.Prior.Paths[old]); err != nil {
					return false, err
				}
				s.wrote(old)
				delete(e.Prior.Paths, old)
			}
		}
	}
	return len(todo) > 0, nil
}

func (keyPairKind) remove(_ context.Context, s *stepper, e *entry) error { return s.restoreAll(e) }

func (keyPairKind) drift(o *observer, e *entry) (string, hostapi.DriftCode) {
	k := e.Item.KeyPair
	var diffs []string
	cert, why := o.readOwned(k.CertPath, certMode, k.Owner, k.Group)
	if why != "" {
		diffs = append(diffs, "certificate "+why)
	} else if !bytes.Equal(cert, k.Certificate) {
		diffs = append(diffs, "certificate differs")
	}
	key, why := o.readOwned(k.KeyPath, keyMode, k.Owner, k.Group)
	switch {
	case why != "":
		diffs = append(diffs, "key "+why)
	case cert != nil && mismatch(cert, key) != "":
		diffs = append(diffs, "the key does not match the certificate")
	case hostapi.Digest(key) != e.Digests[k.KeyPath]:
		diffs = append(diffs, "key differs")
	}
	return strings.Join(diffs, "; "), ""
}

// readOwned reads a file and says what is wrong with its mode or owner.
func (o *observer) readOwned(p string, mode fs.FileMode, user, group string) ([]byte, string) {
	fi, err := os.Lstat(o.path(p))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "missing"
	}
	if err != nil {
		return nil, err.Error()
	}
	if !fi.Mode().IsRegular() {
		return nil, "is not a file"
	}
	b, err := os.ReadFile(o.path(p))
	if err != nil {
		return nil, err.Error()
	}
	return b, o.permDiff(fi, mode, user, group, o.acc)
}

// mismatch says why a certificate and a key do not belong together, "" when they do. It never says anything of the key.
func mismatch(certPEM, keyPEM []byte) string {
	cb, _ := pem.Decode(certPEM)
	if cb == nil || cb.Type != "CERTIFICATE" {
		return "the certificate is not PEM"
	}
	cert, err := x509.ParseCertificate(cb.Bytes)
	if err != nil {
		return "the certificate does not parse"
	}
	kb, _ := pem.Decode(keyPEM)
	if kb == nil {
		return "the key is not PEM"
	}
	key := parseKey(kb.Bytes)
	if key == nil {
		return "the key does not parse"
	}
	pub, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !pub.Equal(key.Public()) {
		return "the key does not match the certificate"
	}
	return ""
}

func parseKey(der []byte) crypto.Signer {
	if k, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if s, ok := k.(crypto.Signer); ok {
			return s
		}
		return nil
	}
	if k, err := x509.ParseECPrivateKey(der); err == nil {
		return k
	}
	if k, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return k
	}
	return nil
}
