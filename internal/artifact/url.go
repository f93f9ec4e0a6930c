package artifact

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/trivet-dev/trivet/internal/artifact/download"
)

// URL is a Source over http(s) with the layout of a Folder, such as a folder behind any
// file server. What is opened is kept in a cache folder, by digest.
type URL struct {
	base   string
	cache  string // a folder's path; made when first needed
	client *download.Client
}

// URLOption changes a URL.
type URLOption func(*URL)

// WithCache keeps what is downloaded in dir instead of UserDir("artifacts").
func WithCache(dir string) URLOption { return func(u *URL) { u.cache = dir } }

// WithDownloader sets the time-outs and the number of attempts too.
func WithDownloader(c *download.Client) URLOption { return func(u *URL) { u.client = c } }

// NewURL gives the mirror at base. client may be nil.
func NewURL(base string, client *http.Client, options ...URLOption) Source {
	u := &URL{base: strings.TrimSuffix(base, "/"), client: &download.Client{HTTP: client}}
	for _, o := range options {
		o(u)
	}
	return u
}

// Lookup implements Source.
func (u *URL) Lookup(ctx context.Context, wants []Want) ([]Entry, error) {
	place := u.base
	if parsed, err := url.Parse(u.base); err == nil {
		place = parsed.Redacted()
	}
	b, err := u.client.Text(ctx, u.base+"/"+indexName)
	var status *download.StatusError
	if errors.As(err, &status) && status.Status == http.StatusNotFound {
		return nil, fmt.Errorf("%s is not an artifact mirror: it has no %s", place, indexName)
	}
	if err != nil {
		return nil, fmt.Errorf("artifact mirror: %w", err)
	}
	all, err := parseIndex(place+"/"+indexName, b)
	if err != nil {
		return nil, err
	}
	return choose(place, wants, all, "", func(Entry) bool { return true })
}

// Open implements Source. It downloads what the cache lacks, whole and verified, before it
// gives the first byte.
func (u *URL) Open(ctx context.Context, e Entry) (io.ReadCloser, error) {
	f, err := u.fetch(ctx, e)
	if err != nil {
		return nil, err
	}
	return f.Open(ctx, e)
}

// Fetch is Open for who wants the file's path.
func (u *URL) Fetch(ctx context.Context, e Entry) (path string, err error) {
	f, err := u.fetch(ctx, e)
	if err != nil {
		return "", err
	}
	return f.Path(e)
}

// fetch brings the blob of e into the cache folder. The folder's index is not touched: it
// says what the user filled in, and a blob needs no entry to be found by its digest.
func (u *URL) fetch(ctx context.Context, e Entry) (*Folder, error) {
	if err := e.validate(); err != nil {
		return nil, fmt.Errorf("%s: %w", e, err)
	}
	cache := u.cache
	if cache == "" {
		dir, err := UserDir("artifacts")
		if err != nil {
			return nil, err
		}
		cache = dir
	}
	f, err := CreateFolder(cache)
	if err != nil {
		return nil, err
	}
	if f.intact(e) {
		return f, nil
	}
	tmp := filepath.Join(f.dir, scratchDir, e.SHA256)
	if err := u.client.File(ctx, u.base+"/"+blobsDir+"/"+e.SHA256, tmp, e.SHA256, e.Size); err != nil {
		return nil, fmt.Errorf("%s: %w", e, err)
	}
	if err := f.adopt(tmp, e); err != nil {
		return nil, fmt.Errorf("%s: %w", e, err)
	}
	return f, nil
}

// adopt makes a verified file of this folder's scratch directory the blob of e.
func (f *Folder) adopt(path string, e Entry) error {
	dst := f.blob(e.SHA256)
	if err := os.MkdirAll(filepath.Dir(dst), 0o755); err != nil {
		return err
	}
	if err := os.Chtimes(path, stored, stored); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	err := os.Rename(path, dst)
	if errors.Is(err, os.ErrNotExist) && f.present(e) {
		return nil // another process fetched the same blob and moved it first
	}
	return err
}
