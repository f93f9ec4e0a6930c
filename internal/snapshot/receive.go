package snapshot

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Idle is how long a receiver stays when nobody wants anything of it. systemd starts it again at the next connection.
const Idle = 30 * time.Second

// Serve answers on listeners until ctx ends or nothing was asked for idle: on a Unix socket, which only root reaches, what the folder holds; on others it takes snapshots from those
// that the configuration names, over mutual TLS. config is read for each connection, as certificates are, so that a change needs no restart.
func Serve(ctx context.Context, listeners []net.Listener, config func() (*Config, error), now func() time.Time, idle time.Duration, log func(format string, args ...any)) error {
	if len(listeners) == 0 {
		return errors.New("there is no socket to answer on: systemd starts this program with its sockets")
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r := &receiver{config: config, now: now, log: log}
	r.timer = time.AfterFunc(idle, stop)
	r.idle = idle
	defer r.timer.Stop()
	errs := make(chan error, len(listeners))
	var servers []*http.Server
	for _, l := range listeners {
		mux := http.NewServeMux()
		if l.Addr().Network() == "unix" {
			mux.HandleFunc("GET /snapshots", r.report)
		} else {
			mux.HandleFunc("PUT /snapshots/{name}", r.put)
			l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: r.tls})
		}
		server := &http.Server{Handler: r.counted(mux), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: idle, ErrorLog: stdlog.New(lines(log), "", 0)}
		servers = append(servers, server)
		go func() { errs <- server.Serve(l) }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-errs:
	}
	for _, s := range servers {
		if cerr := s.Shutdown(context.WithoutCancel(ctx)); err == nil { // what is half received is finished
			err = cerr
		}
	}
	return err
}

// lines takes what a server logs, a line at a time.
type lines func(format string, args ...any)

// Write implements io.Writer.
func (l lines) Write(p []byte) (int, error) {
	l("%s", bytes.TrimRight(p, "\n"))
	return len(p), nil
}

type receiver struct {
	config func() (*Config, error)
	now    func() time.Time
	log    func(format string, args ...any)
	idle   time.Duration

	mu     sync.Mutex
	active int
	timer  *time.Timer
}

// counted keeps the program from ending while something is asked.
func (r *receiver) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.active++
		r.timer.Stop()
		r.mu.Unlock()
		defer func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.active--; r.active == 0 {
				r.timer.Reset(r.idle)
			}
		}()
		next.ServeHTTP(w, req)
	})
}

// tls lets nobody in but the hosts that the configuration names.
func (r *receiver) tls(*tls.ClientHelloInfo) (*tls.Config, error) {
	c, err := r.config()
	if err != nil {
		return nil, err
	}
	if c.Receive == nil {
		return nil, errors.New("this host receives no snapshots")
	}
	pair, err := tls.LoadX509KeyPair(c.Receive.Keys.Certificate, c.Receive.Keys.Key)
	if err != nil {
		return nil, err
	}
	roots, err := c.Receive.Keys.roots()
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots,
		VerifyConnection: func(s tls.ConnectionState) error {
			if name := s.PeerCertificates[0].Subject.CommonName; !slices.Contains(c.Receive.From, name) {
				return fmt.Errorf("no snapshots are taken from %q", name)
			}
			return nil
		},
	}, nil
}

// report tells what is in the folder; with ?verify=1 every file is read and compared with its hash.
func (r *receiver) report(w http.ResponseWriter, req *http.Request) {
	c, err := r.config()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s := store{c.Folder}
	list, err := s.list()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	for i := range list {
		if req.FormValue("verify") == "" || req.Context().Err() != nil {
			break
		}
		if _, _, err := verify(filepath.Join(c.Folder, list[i].Name())); err != nil {
			list[i].Wrong = err.Error()
		}
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(Report{Host: c.Host, Site: c.Site, Snapshots: list, Last: s.last()}); err != nil {
		r.log("answering: %v", err)
	}
}

// put stores a snapshot of the host that sends it.
func (r *receiver) put(w http.ResponseWriter, req *http.Request) {
	name, from := req.PathValue("name"), req.TLS.PeerCertificates[0].Subject.CommonName
	s, ok := ParseName(name)
	if !ok || s.Member != from {
		http.Error(w, fmt.Sprintf("%s is no name for a snapshot that was taken on %s", name, from), http.StatusForbidden)
		return
	}
	c, err := r.config()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	path := filepath.Join(c.Folder, name)
	if _, _, err := verify(path); err == nil {
		return // it came before
	}
	if err := r.receive(c, s, w, req); err != nil {
		r.log("%s from host %s: %v", name, from, err)
		http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		return
	}
	r.log("received %s", name)
	w.WriteHeader(http.StatusCreated)
}

func (r *receiver) receive(c *Config, s Snapshot, w http.ResponseWriter, req *http.Request) error {
	dir := store{c.Folder}
	if req.ContentLength <= 0 {
		return errors.New("the size is not told")
	}
	if err := dir.room(req.ContentLength); err != nil {
		return err
	}
	f, err := dir.create()
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // it has another name by then, or is swept later
	control, t := http.NewResponseController(w), newTail()
	_, err = io.Copy(io.MultiWriter(f, t), prodded{req.Body, control})
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if _, err := t.verify(); err != nil {
		return err
	}
	if err := dir.keep(f.Name(), s); err != nil {
		return err
	}
	gone, err := dir.prune(c, r.now())
	for _, old := range gone {
		r.log("removed %s", old.Name())
	}
	if err != nil {
		r.log("removing old snapshots: %v", err) // the copy is there
	}
	return nil
}

// prodded gives up when nothing came for a while.
type prodded struct {
	io.Reader
	control *http.ResponseController
}

// Read implements io.Reader.
func (p prodded) Read(b []byte) (int, error) {
	if err := p.control.SetReadDeadline(time.Now().Add(stalled)); err != nil {
		return 0, err
	}
	return p.Reader.Read(b)
}
