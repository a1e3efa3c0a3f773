package web

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func fakeStatus() Status {
	return Status{Site: "cabinet 7578", Version: "test", T: time.Now().UnixMilli(), Healthy: true, Guardian: "connected",
		Models: []Model{{Name: "incident", Version: "2.0.0", Digest: strings.Repeat("ab", 32), State: "confirmed", Detail: "drop v2: confirmed"}},
		Tasks: []Task{{Name: "incident", State: "scoring", Score: 0.83, Rules: []Rule{{"slow-down", "sign", "on"}}},
			{Name: "forecast", State: "scoring", Score: 0.2, Forecast: map[string]any{"mae": 2.31, "naive_mae": 2.94, "n": 480}}},
		Lines:  []Line{{Name: "sign", Value: "on", Safe: "off", Reason: "asked by incident", Task: "incident", Ops: 4}, {Name: "beacon", Value: "off", Safe: "off", Reason: "safe state"}},
		Totals: map[string]any{"polls": 1234, "polls_missed": 0, "latency_p50_ms": 1.25, "guardian_connected": true}}
}

func TestBoardKeepsTenMinutesInBuckets(t *testing.T) {
	b := NewBoard()
	b.Declare(Series{Name: "speed", Kind: "sensor", Group: "speed"})
	t0 := time.UnixMilli(1_700_000_000_000)
	for i := range 5 * buckets { // five samples per half second, over five times the span
		b.Add("speed", t0.Add(time.Duration(i)*100*time.Millisecond), float64(i%5), i%50 != 0, "good", "")
	}
	for i := range buckets * 3 {
		b.Add("speed", t0.Add(time.Hour+time.Duration(i)*Bucket), float64(i), true, "good", "")
	}
	var c cursor
	s, _ := b.since(&c)
	pts := s[0].Points
	if len(pts) != buckets || cap(b.series["speed"].data) > 2*buckets {
		t.Fatalf("%d points, want %d", len(pts), buckets)
	}
	for i := 1; i < len(pts); i++ {
		if pts[i].T-pts[i-1].T != Bucket.Milliseconds() {
			t.Fatalf("points %d and %d are %d ms apart", i-1, i, pts[i].T-pts[i-1].T)
		}
	}
	// Nothing new: only the newest point comes again, as it may have changed.
	if s, _ = b.since(&c); len(s[0].Points) != 1 {
		t.Errorf("%d points without anything new", len(s[0].Points))
	}
	b.Add("speed", t0.Add(2*time.Hour), math.NaN(), true, "good", "")
	s, _ = b.since(&c)
	if p := s[0].Points[len(s[0].Points)-1]; p.Good || p.V != 0 {
		t.Errorf("NaN became %+v", p)
	}
	if _, err := json.Marshal(s); err != nil {
		t.Error(err)
	}
}

func TestBucketKeepsExtremes(t *testing.T) {
	b := NewBoard()
	b.Declare(Series{Name: "x"})
	t0 := time.UnixMilli(1_700_000_000_000)
	for _, v := range []float64{3, 9, 1, 4} {
		b.Add("x", t0, v, true, "good", "")
	}
	b.Add("x", t0, 0, false, "stale", "late")
	var c cursor
	s, _ := b.since(&c)
	if p := s[0].Points[0]; p != (Point{t0.UnixMilli(), 4, 1, 9, true}) || s[0].Now.Quality != "stale" {
		t.Errorf("%+v %+v", p, s[0].Now)
	}
}

func serve(t *testing.T, o Options) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handler(o))
	t.Cleanup(s.Close)
	return s
}

func handler(o Options) http.Handler {
	if o.Board == nil {
		o.Board = NewBoard()
	}
	o.Log = quiet()
	if o.Status == nil {
		o.Status = fakeStatus
	}
	if o.Metrics == nil {
		o.Metrics = func(w io.Writer) { _, _ = io.WriteString(w, "wayside_x 1\n") }
	}
	return New(o)
}

func TestRoutes(t *testing.T) {
	healthy := true
	s := serve(t, Options{
		Status: func() Status { st := fakeStatus(); st.Healthy = healthy; return st },
		Reload: func(context.Context) error { return errors.New("site.toml:3: no") },
	})
	get := func(method, path, host, origin string) (int, string, http.Header) {
		t.Helper()
		r, err := http.NewRequest(method, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if host != "" {
			r.Host = host
		}
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(b), resp.Header
	}
	for _, c := range []struct {
		method, path, host, origin string
		code                       int
		body                       string
	}{
		{"GET", "/", "", "", 200, "<!doctype html>"},
		{"GET", "/page.js", "", "", 200, "EventSource"},
		{"GET", "/style.css", "", "", 200, "prefers-color-scheme"},
		{"GET", "/nothing", "", "", 404, ""},
		{"GET", "/api/status", "", "", 200, `"site":"cabinet 7578"`},
		{"GET", "/metrics", "", "", 200, "wayside_x 1"},
		{"GET", "/healthz", "", "", 200, "ok"},
		{"GET", "/", "localhost:80", "", 200, ""},
		{"GET", "/", "[::1]:80", "", 200, ""},
		{"GET", "/api/status", "evil.example", "", 403, "numeric address"},
		{"GET", "/api/status", "127.0.0.1.evil.example:80", "", 403, ""},
		{"GET", "/api/status", "192.168.1.5", "", 403, ""},
		{"POST", "/api/reload", "", "http://evil.example", 403, "other sites"},
		{"POST", "/api/reload", "", "", 422, "site.toml:3: no"},
		{"GET", "/api/reload", "", "", 404, ""},
		{"POST", "/api/status", "", "", 405, ""},
	} {
		code, body, h := get(c.method, c.path, c.host, c.origin)
		if code != c.code || !strings.Contains(body, c.body) {
			t.Errorf("%s %s host %q origin %q: %d %.80q, want %d with %q", c.method, c.path, c.host, c.origin, code, body, c.code, c.body)
		}
		if !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: no policy", c.path)
		}
	}
	healthy = false
	if code, _, _ := get("GET", "/healthz", "", ""); code != 503 {
		t.Errorf("healthz of a standing worker: %d", code)
	}
}

// TestPageIsSelfContained: the policy forbids inline scripts and foreign hosts, so the page must not need them.
func TestPageIsSelfContained(t *testing.T) {
	for _, f := range []string{"index.html", "style.css", "page.js"} {
		b, err := embedded.ReadFile("assets/" + f)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(b), "http://www.w3.org/2000/svg", "") // a name, not an address
		for _, bad := range []string{"http://", "https://", "//cdn", "@import", "innerHTML", "eval(", " onclick=", " style=\"", "<script>"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s contains %q", f, bad)
			}
		}
	}
}

func TestStreamSendsStateThenUpdates(t *testing.T) {
	board := NewBoard()
	board.Declare(Series{Name: "speed", Group: "g"})
	now := time.Now()
	for i := range 10 {
		board.Add("speed", now.Add(time.Duration(i)*time.Second), float64(i), true, "good", "")
	}
	board.Event(now, "model", "good", "first")
	s := serve(t, Options{Board: board, Every: 20 * time.Millisecond})
	resp, err := http.Get(s.URL + "/api/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	r := bufio.NewReaderSize(resp.Body, 1<<20)
	next := func() (string, update) {
		t.Helper()
		var name string
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if v, ok := strings.CutPrefix(line, "event: "); ok {
				name = strings.TrimSpace(v)
			}
			if v, ok := strings.CutPrefix(line, "data: "); ok {
				var u update
				if err := json.Unmarshal([]byte(v), &u); err != nil {
					t.Fatal(err)
				}
				return name, u
			}
		}
	}
	name, u := next()
	if name != "state" || len(u.Series[0].Points) != 10 || len(u.Events) != 1 || u.Status.Site == "" {
		t.Fatalf("first message %s: %+v", name, u)
	}
	board.Add("speed", now.Add(20*time.Second), 7, true, "good", "")
	board.Event(now, "model", "bad", "second")
	for range 20 {
		if name, u = next(); name != "update" {
			t.Fatalf("then came %q", name)
		}
		if len(u.Events) == 1 {
			break
		}
	}
	if len(u.Events) != 1 || u.Events[0].Text != "second" || len(u.Series[0].Points) != 2 {
		t.Errorf("update %+v", u)
	}
}

func TestServeEndsWithOpenStreams(t *testing.T) {
	before := runtime.NumGoroutine()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	s := New(Options{Board: NewBoard(), Status: fakeStatus, Metrics: func(io.Writer) {}, Log: quiet(), Every: 10 * time.Millisecond})
	go func() { ended <- s.Serve(ctx, l) }()
	client := &http.Client{Transport: &http.Transport{}}
	resp, err := client.Get("http://" + l.Addr().String() + "/api/events")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(resp.Body, make([]byte, 20)); err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(3 * time.Second):
		t.Fatal("Serve does not end")
	}
	resp.Body.Close()
	client.CloseIdleConnections()
	for end := time.Now().Add(3 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}
