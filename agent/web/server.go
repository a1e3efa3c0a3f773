package web

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"
)

//go:embed assets
var embedded embed.FS

// Options of a Server. All functions are called from many goroutines.
type Options struct {
	Board   *Board
	Status  func() Status
	Metrics func(w io.Writer)
	Reload  func(ctx context.Context) error // nil: no reload here
	Remote  bool                            // addresses other than loopback may ask
	Every   time.Duration                   // pace of updates; default 500 ms
	Log     *slog.Logger
}

// Server is the page and the API.
type Server struct {
	o   Options
	mux *http.ServeMux
}

// New makes a server; Serve starts it.
func New(o Options) *Server {
	if o.Every <= 0 {
		o.Every = 500 * time.Millisecond
	}
	s := &Server{o: o, mux: http.NewServeMux()}
	assets, err := fs.Sub(embedded, "assets")
	if err != nil {
		panic("web: the embedded page is missing: " + err.Error())
	}
	s.mux.Handle("GET /", http.FileServerFS(assets))
	s.mux.HandleFunc("GET /api/status", s.status)
	s.mux.HandleFunc("GET /api/events", s.events)
	s.mux.HandleFunc("POST /api/reload", s.reload)
	s.mux.HandleFunc("GET /metrics", s.metrics)
	s.mux.HandleFunc("GET /healthz", s.health)
	return s
}

// Serve answers on l until ctx ends; then every connection is closed and it returns nil.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       60 * time.Second,
		MaxHeaderBytes:    16 << 10,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          slog.NewLogLogger(s.o.Log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		// Streams never become idle; nothing here is worth waiting for.
		_ = srv.Close()
	}()
	err := srv.Serve(l)
	if ctx.Err() == nil {
		return fmt.Errorf("web: serving %s: %w", l.Addr(), err)
	}
	<-stopped
	return nil
}

// policy lets the page load its own files and nothing else, from nowhere else, and be framed by nobody.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// ServeHTTP checks where the request claims to go before anything else.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	if err := s.allowed(r); err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// allowed refuses requests that a foreign page made the browser send: with DNS rebinding the Host header names the attacker's domain, and
// a cross-site request carries an Origin that is not ours.
func (s *Server) allowed(r *http.Request) error {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if !strings.EqualFold(host, "localhost") {
		ip, err := netip.ParseAddr(host)
		if err != nil || (!s.o.Remote && !ip.IsLoopback()) {
			return errors.New("web: this host name is not served; use the numeric address the worker printed, or localhost")
		}
	}
	if o := r.Header.Get("Origin"); o != "" && o != "http://"+r.Host {
		return errors.New("web: requests from other sites are not answered")
	}
	return nil
}

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, s.o.Status())
}

func writeJSON(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "web: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(b, '\n')) // the reader went away: nothing to do about it
}

func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	s.o.Metrics(w)
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if !s.o.Status().Healthy {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, "no progress\n")
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

// reload changes how the worker acts, so it is answered to this machine only, and not to a form of a foreign page.
func (s *Server) reload(w http.ResponseWriter, r *http.Request) {
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !addr.Addr().Unmap().IsLoopback() {
		http.Error(w, "web: reload is answered on loopback only", http.StatusForbidden)
		return
	}
	if s.o.Reload == nil {
		http.Error(w, "web: reload is not available", http.StatusNotFound)
		return
	}
	if err := s.o.Reload(r.Context()); err != nil {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnprocessableEntity)
		b, _ := json.Marshal(map[string]string{"error": err.Error()}) // a string map always encodes
		_, _ = w.Write(append(b, '\n'))
		return
	}
	writeJSON(w, map[string]string{"result": "reloaded"})
}

// update is one message of the stream.
type update struct {
	Status Status   `json:"status"`
	Series []Series `json:"series"`
	Events []Event  `json:"events"`
}

// events is the stream. A client that does not read is cut off after a while, so that it holds no memory.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	rc := http.NewResponseController(w)
	var c cursor
	name := "state"
	tick := time.NewTicker(s.o.Every)
	defer tick.Stop()
	for {
		series, events := s.o.Board.since(&c)
		b, err := json.Marshal(update{s.o.Status(), series, events})
		if err != nil {
			s.o.Log.Error("status stream", "err", err)
			return
		}
		_ = rc.SetWriteDeadline(time.Now().Add(10 * time.Second))
		if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, b); err != nil {
			return
		}
		if err := rc.Flush(); err != nil {
			return
		}
		name = "update"
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}
