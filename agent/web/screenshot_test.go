package web

import (
	"context"
	"fmt"
	"image"
	_ "image/png"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// browser runs headless Chromium on url with the arguments and returns its standard output. The flags keep it from every network but ours.
func browser(t *testing.T, url string, args ...string) string {
	t.Helper()
	path := ""
	for _, n := range []string{"chromium", "chromium-browser", "google-chrome", "headless_shell"} {
		if p, err := exec.LookPath(n); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("no Chromium in PATH: install the package chromium to run the page in a browser")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	all := append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--user-data-dir=" + t.TempDir()}, args...)
	cmd := exec.CommandContext(ctx, path, append(all, url)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", path, err, stderr.String())
	}
	return string(out)
}

// liveServer has ten minutes of plausible data and goes on adding to it, so that what the browser shows came over the stream.
func liveServer(t *testing.T) string {
	t.Helper()
	b := NewBoard()
	b.Declare(Series{Name: "speed", Kind: "sensor", Group: "sensor speed"})
	b.Declare(Series{Name: "incident score", Kind: "score", Group: "task incident", Marks: []Mark{{"slow-down on above", 0.7}, {"slow-down off below", 0.4}}})
	b.Declare(Series{Name: "occupancy", Kind: "sensor", Group: "sensor occupancy"})
	b.Declare(Series{Name: "forecast", Kind: "forecast", Group: "sensor occupancy"})
	b.Declare(Series{Name: "naive forecast", Kind: "naive", Group: "sensor occupancy"})
	b.Declare(Series{Name: "output sign", Kind: "output", Group: "outputs"})
	now := time.Now()
	add := func(at time.Time, i int) {
		x := float64(i) / 40
		jam := math.Exp(-math.Pow(math.Mod(x, 9)-4.5, 2))
		v := 60 + 4*math.Sin(x) + 2*math.Sin(17*x) - 35*jam
		good := i%300 < 285 || i%300 > 292
		b.Add("speed", at, v, good, map[bool]string{true: "good", false: "device_missing"}[good], "")
		b.Add("speed", at, v+1.5, good, "good", "")
		b.Add("incident score", at, 0.08+0.85*jam, true, "good", "")
		b.Add("occupancy", at, 9+12*jam+math.Sin(3*x), true, "good", "")
		b.Add("forecast", at, 9.4+11*jam+math.Sin(3*x-0.1), true, "good", "")
		b.Add("naive forecast", at, 9+12*math.Exp(-math.Pow(math.Mod(x-0.3, 9)-4.5, 2))+math.Sin(3*x-0.3), true, "good", "")
		on := 0.0
		if jam > 0.6 {
			on = 1
		}
		b.Add("output sign", at, on, true, "on", "")
	}
	for i := range buckets {
		add(now.Add(time.Duration(i-buckets)*Bucket), i)
	}
	b.Event(now.Add(-8*time.Minute), "guardian", "good", "Guardian connected (process 4711)")
	b.Event(now.Add(-6*time.Minute), "decision", "info", "slow-down asks sign for on (score 0.83, model incident factory)")
	b.Event(now.Add(-4*time.Minute), "model", "good", "Model incident 2.0.0 took over, in probation")
	b.Event(now.Add(-3*time.Minute), "model", "good", "Model incident 2.0.0 is confirmed")
	b.Event(now.Add(-2*time.Minute), "model", "bad", "Model incident 2.1.0 refused: constant output on 38 differing inputs")
	b.Event(now.Add(-time.Minute), "refusal", "warn", "slow-down asks sign for on (score 0.71, model incident 2.0.0): refused, interlock door")
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	page := handler(Options{Board: b, Every: 100 * time.Millisecond})
	// A browser without a person takes its picture when the page has loaded. A picture in it that comes late lets the stream run for a
	// while before that. (Chromium's virtual time cannot be used: it stands still while a stream is open.)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/late.png":
			time.Sleep(2500 * time.Millisecond)
			http.NotFound(w, r)
		case "/":
			rec := httptest.NewRecorder()
			page.ServeHTTP(rec, r)
			maps.Copy(w.Header(), rec.Header())
			w.Header().Del("Content-Length")
			_, _ = io.WriteString(w, strings.Replace(rec.Body.String(), "</footer>", `<img src="/late.png" alt=""></footer>`, 1))
		default:
			page.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	go func() {
		for i := buckets; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
				add(time.Now(), i)
				if i == buckets+3 {
					b.Event(time.Now(), "decision", "info", "came while you watched")
				}
			}
		}
	}()
	return s.URL
}

// TestScreenshot looks at the page as a person does: charts, marks and states must be on the picture in their colours.
func TestScreenshot(t *testing.T) {
	url := liveServer(t)
	for _, c := range []struct {
		name, size string
		w, h       int
	}{{"desk", "1200,1500", 1200, 1500}, {"phone", "500,1800", 500, 1800}} {
		out := filepath.Join(t.TempDir(), c.name+".png")
		if dir := os.Getenv("WAYSIDE_SCREENSHOTS"); dir != "" {
			out = filepath.Join(dir, c.name+".png")
		}
		browser(t, url, "--window-size="+c.size, "--screenshot="+out)
		f, err := os.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		img, _, err := image.Decode(f)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			t.Fatal(err)
		}
		if s := img.Bounds().Size(); s.X != c.w || s.Y != c.h {
			t.Fatalf("%s: picture of %v", c.name, s)
		}
		css, err := embedded.ReadFile("assets/style.css")
		if err != nil {
			t.Fatal(err)
		}
		light, _, _ := strings.Cut(string(css), "@media")
		for _, want := range []struct {
			name string
			min  int // pixels
		}{
			{"--s0", 400},  // first line of every chart
			{"--s1", 150},  // forecast
			{"--on", 100},  // an output that is on, a badge that is good
			{"--bad", 50},  // a refusal
			{"--warn", 50}, // thresholds, an interlock
			{"--card", 20000},
		} {
			m := regexp.MustCompile(regexp.QuoteMeta(want.name) + `: #([0-9a-f]{6})`).FindStringSubmatch(light)
			if m == nil {
				t.Fatalf("style.css has no %s", want.name)
			}
			var r, g, b uint32
			if _, err := fmt.Sscanf(m[1], "%02x%02x%02x", &r, &g, &b); err != nil {
				t.Fatal(err)
			}
			if n := count(img, r, g, b); n < want.min {
				t.Errorf("%s: %d pixels of %s (#%s), want at least %d", c.name, n, want.name, m[1], want.min)
			}
		}
	}
}

// count finds pixels near a colour: text and lines are blended at their edges.
func count(img image.Image, r, g, b uint32) (n int) {
	near := func(x, y uint32) bool { d := int(x>>8) - int(y); return d > -40 && d < 40 }
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			cr, cg, cb, _ := img.At(x, y).RGBA()
			if near(cr, r) && near(cg, g) && near(cb, b) {
				n++
			}
		}
	}
	return n
}

// TestLiveValuesArrive: what is in the document came over the stream, more than one message of it.
func TestLiveValuesArrive(t *testing.T) {
	dom := browser(t, liveServer(t), "--dump-dom")
	for _, want := range []string{"cabinet 7578", "came while you watched", "incident 2.0.0", "slow-down → sign: on", "<polyline", "asked by incident",
		`class="badge good"`, "constant output on 38 differing inputs", "naive forecast 2.94"} {
		if !strings.Contains(dom, want) {
			t.Errorf("the document lacks %q", want)
		}
	}
	m := regexp.MustCompile(`data-updates="(\d+)"`).FindStringSubmatch(dom)
	if m == nil || m[1] == "1" || m[1] == "0" {
		t.Errorf("messages taken: %v, want several", m)
	}
}
