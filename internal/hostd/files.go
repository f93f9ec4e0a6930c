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
	"path"
	"slices"
	"strings"

	"github.com/trivet-dev/trivet/internal/hostapi"
)

type fileKind struct{}

func (fileKind) prepare(_ context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	f := full.File
	digest := hostapi.Digest(f.Content)
	switch {
	case f.Secret && len(f.Content) == 0:
		return false, errors.New("the step brings no content for a secret file")
	case !f.Secret && f.SHA256 != "" && f.SHA256 != digest:
		return false, fail(hostapi.CodeDigest, "", "the step's content has digest %s, the item says %s", digest, f.SHA256)
	}
	if err := s.capture(e, f.Path); err != nil {
		return false, err
	}
	s.needParents(f.Path)
	return !s.fileRight(f, digest), nil
}

// fileRight says whether a file is on the host as an item wants it.
func (s *stepper) fileRight(f *hostapi.File, digest string) bool {
	fi, err := os.Lstat(s.path(f.Path))
	if err != nil || !fi.Mode().IsRegular() || s.permDiff(fi, f.Mode, f.Owner, f.Group, s.cachedAccounts()) != "" {
		return false
	}
	if fi.Size() != int64(len(f.Content)) {
		return false
	}
	have, err := digestFile(s.path(f.Path))
	return err == nil && have == digest
}

func (fileKind) apply(_ context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	f := full.File
	digest := hostapi.Digest(f.Content)
	e.Digests = map[string]string{f.Path: digest}
	if s.fileRight(f, digest) {
		s.unstage(f.Path)
		return false, nil
	}
	if err := s.put(f.Path, f.Content, f.Mode, f.Owner, f.Group); err != nil {
		return false, err
	}
	return true, s.rename(f.Path)
}

// put stages content beside its path, making parents.
func (s *stepper) put(p string, content []byte, mode fs.FileMode, user, group string) error {
	o, err := s.owner(user, group)
	if err != nil {
		return err
	}
	if err := s.makeParents(p); err != nil {
		return err
	}
	if err := s.stage(p, content, mode, o); err != nil {
		return err
	}
	s.hook("staged " + p)
	return nil
}

// rename switches a staged file in.
func (s *stepper) rename(p string) error {
	if err := os.Rename(s.path(tempPath(p)), s.path(p)); err != nil {
		s.unstage(p)
		return err
	}
	s.changedPath(p)
	return nil
}

// changedPath notes what has to follow a change at a path.
func (s *stepper) changedPath(p string) {
	s.wrote(p)
	if isUnitPath(p) {
		s.rec.ReloadOwed = true
	}
}

func (fileKind) remove(_ context.Context, s *stepper, e *entry) error { return s.restoreAll(e) }

// restoreAll brings all paths of an entry back to what was there before.
func (s *stepper) restoreAll(e *entry) error {
	for _, v := range e.versions() {
		for _, p := range itemPaths(v) {
			if err := s.restore(p, e.Prior.Paths[p]); err != nil {
				return err
			}
			s.changedPath(p)
		}
	}
	return nil
}

func (fileKind) drift(o *observer, e *entry) string {
	f := e.Item.File
	fi, err := os.Lstat(o.path(f.Path))
	if errors.Is(err, fs.ErrNotExist) {
		return "missing"
	}
	if err != nil {
		return err.Error()
	}
	if !fi.Mode().IsRegular() {
		return "not a file"
	}
	var diffs []string
	if d, err := digestFile(o.path(f.Path)); err != nil {
		diffs = append(diffs, err.Error())
	} else if d != e.Digests[f.Path] {
		diffs = append(diffs, "content differs")
	}
	if d := o.permDiff(fi, f.Mode, f.Owner, f.Group, o.acc); d != "" {
		diffs = append(diffs, d)
	}
	return strings.Join(diffs, "; ")
}

type directoryKind struct{}

func (directoryKind) prepare(_ context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	d := full.Directory
	if _, done := e.Prior.Paths[d.Path]; !done {
		pp, err := s.captureDir(d)
		if err != nil {
			return false, err
		}
		e.Prior.Paths = map[string]priorPath{d.Path: pp}
	}
	s.needParents(d.Path)
	fi, err := os.Lstat(s.path(d.Path))
	return err != nil || !fi.IsDir() || s.permDiff(fi, d.Mode, d.Owner, d.Group, s.cachedAccounts()) != "", nil
}

func (s *stepper) captureDir(d *hostapi.Directory) (priorPath, error) {
	if slices.Contains(s.rec.MadeDirs, d.Path) {
		s.rec.MadeDirs = slices.DeleteFunc(s.rec.MadeDirs, func(x string) bool { return x == d.Path })
		return priorPath{}, nil // Trivet made it on the way to something else
	}
	fi, err := os.Lstat(s.path(d.Path))
	if errors.Is(err, fs.ErrNotExist) {
		return priorPath{}, nil
	}
	if err != nil {
		return priorPath{}, err
	}
	if !fi.IsDir() {
		return priorPath{}, fail(hostapi.CodeForeign, "move it away and apply again", "%s exists and is not a folder", d.Path)
	}
	if d.Data {
		foreign, err := s.foreignContent(d.Path)
		if err != nil {
			return priorPath{}, err
		}
		if foreign != "" {
			return priorPath{}, fail(hostapi.CodeForeign, "look at what it is, and move it away or delete it; Trivet never deletes what it did not make",
				"the data folder %s has content that is not Trivet's, such as %s", d.Path, foreign)
		}
	}
	pp := priorPath{Exists: true, Mode: fi.Mode()}
	pp.UID, pp.GID = ownerOf(fi)
	return pp, nil
}

// foreignContent names something in a folder that is not recorded, "" when there is nothing.
func (s *stepper) foreignContent(dir string) (string, error) {
	names, err := os.ReadDir(s.path(dir))
	if err != nil {
		return "", err
	}
	for _, n := range names {
		p := path.Join(dir, n.Name())
		if n.Name() != "lost+found" && !s.ours(p) {
			return p, nil
		}
	}
	return "", nil
}

// ours says whether a path, or something below it, is recorded.
func (s *stepper) ours(p string) bool {
	if slices.Contains(s.rec.MadeDirs, p) {
		return true
	}
	for _, e := range s.rec.Items {
		for _, v := range e.versions() {
			for _, q := range itemPaths(v) {
				if q == p || strings.HasPrefix(q, p+"/") {
					return true
				}
			}
		}
	}
	return false
}

func (directoryKind) apply(_ context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	d := full.Directory
	o, err := s.owner(d.Owner, d.Group)
	if err != nil {
		return false, err
	}
	if err := s.makeParents(d.Path); err != nil {
		return false, err
	}
	if err := os.Mkdir(s.path(d.Path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return false, err
	}
	s.hook("made " + d.Path)
	s.wrote(d.Path)
	return true, s.setDir(d.Path, d.Mode, o)
}

func (s *stepper) setDir(p string, mode fs.FileMode, o owner) error {
	f, err := os.OpenFile(s.path(p), os.O_RDONLY|openNoFollow, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return s.setOwnerMode(f, mode, &o)
}

func (directoryKind) remove(ctx context.Context, s *stepper, e *entry) error {
	d := e.item().Directory
	pp := e.Prior.Paths[d.Path]
	fi, err := os.Lstat(s.path(d.Path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !fi.IsDir() {
		return nil // somebody put something else there
	}
	if d.Data {
		if err := s.unmountClaimed(ctx, d.Path); err != nil {
			return err
		}
		if err := s.removeTree(d.Path, true); err != nil {
			return err
		}
	}
	s.wrote(d.Path)
	if pp.Exists {
		return s.setDir(d.Path, pp.Mode, owner{pp.UID, pp.GID})
	}
	if err := os.Remove(s.path(d.Path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		// It is not empty: it goes with the last thing of Trivet's in it, if that is what is in it.
		s.rec.MadeDirs = append(s.rec.MadeDirs, d.Path)
	}
	return nil
}

func (directoryKind) drift(o *observer, e *entry) string {
	d := e.Item.Directory
	fi, err := os.Lstat(o.path(d.Path))
	if errors.Is(err, fs.ErrNotExist) {
		return "missing"
	}
	if err != nil {
		return err.Error()
	}
	if !fi.IsDir() {
		return "not a folder"
	}
	return o.permDiff(fi, d.Mode, d.Owner, d.Group, o.acc)
}

type artifactKind struct{}

func blobPath(digest string) string { return path.Join(storeDir, digest) }

func (artifactKind) prepare(_ context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	a := full.Artifact
	if err := s.haveBlob(a.Blob); err != nil {
		return false, err
	}
	if err := s.capture(e, a.Path); err != nil {
		return false, err
	}
	s.needParents(a.Path)
	target, err := os.Readlink(s.path(a.Path))
	return err != nil || target != blobPath(a.Blob.SHA256), nil
}

func (artifactKind) apply(_ context.Context, s *stepper, e *entry, full *hostapi.Item) (bool, error) {
	a := full.Artifact
	if target, err := os.Readlink(s.path(a.Path)); err == nil && target == blobPath(a.Blob.SHA256) {
		return false, nil
	}
	if err := s.makeParents(a.Path); err != nil {
		return false, err
	}
	s.unstage(a.Path)
	if err := os.Symlink(blobPath(a.Blob.SHA256), s.path(tempPath(a.Path))); err != nil {
		return false, err
	}
	s.hook("staged " + a.Path)
	return true, s.rename(a.Path)
}

func (artifactKind) remove(_ context.Context, s *stepper, e *entry) error {
	p := e.item().Artifact.Path
	s.unstage(p)
	target, err := os.Readlink(s.path(p))
	if err == nil && !strings.HasPrefix(target, storeDir+"/") || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil // somebody put something of their own there
	}
	return s.restoreAll(e)
}

func (artifactKind) drift(o *observer, e *entry) string {
	a := e.Item.Artifact
	target, err := os.Readlink(o.path(a.Path))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "missing"
	case err != nil:
		return "not a link to the store"
	case target != blobPath(a.Blob.SHA256):
		return "points to " + target
	}
	b, ok := o.blobs[a.Blob.SHA256]
	switch {
	case !ok:
		return "blob missing from the store"
	case a.Blob.Size > 0 && b.Size != a.Blob.Size:
		return fmt.Sprintf("blob has %d bytes, recorded %d", b.Size, a.Blob.Size)
	}
	return ""
}

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

func (keyPairKind) drift(o *observer, e *entry) string {
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
	return strings.Join(diffs, "; ")
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

// cachedAccounts are the root's accounts as this step knows them.
func (s *stepper) cachedAccounts() *accounts {
	if s.acc == nil {
		s.acc = s.accounts()
	}
	return s.acc
}
