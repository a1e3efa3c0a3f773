package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wayside/graph/tensor"
	"wayside/kernels"
)

// decoded runs a verb that prints one JSON value, and checks that the value has the keys.
func decoded[T any](t *testing.T, v *T, keys string, args ...string) {
	t.Helper()
	out, errs, code := wayside(t, t.TempDir(), args...)
	if code != 0 {
		t.Fatalf("%v: exit code %d: %s%s", args, code, out, errs)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	for _, k := range strings.Fields(keys) {
		if _, ok := all[k]; !ok {
			t.Errorf("%v: no key %s", args, k)
		}
	}
	if err := json.Unmarshal([]byte(out), v); err != nil {
		t.Fatalf("%v: %v", args, err)
	}
}

func TestBenchJSON(t *testing.T) {
	m := absPath(t, tinyInt8+".tflite")
	var b benchJSON
	decoded(t, &b, "model tier threads runs median_us best_us p90_us p99_us load_ms first_ms rss_kib macs gmac_per_s max_hz cpu_share steps",
		"bench", m, "--seconds", "0.1", "--share", "0.25", "--compare", "generic", "--json")
	switch {
	case b.Runs < 1 || b.MedianUS <= 0 || b.BestUS <= 0 || b.LoadMS <= 0 || b.FirstMS <= 0 || b.RSSKiB < 1000:
		t.Errorf("not positive: %+v", b)
	case b.BestUS > b.MedianUS || b.MedianUS > b.P90US || b.P90US > b.P99US:
		t.Errorf("not in order: best %v, median %v, 90 %% %v, 99 %% %v", b.BestUS, b.MedianUS, b.P90US, b.P99US)
	case b.Share != 0.25 || b.MaxHz < 0.2499e6/b.P99US || b.MaxHz > 0.2501e6/b.P99US:
		t.Errorf("share %v: %v runs a second at %v µs", b.Share, b.MaxHz, b.P99US)
	case b.Threads != 1:
		t.Errorf("%d threads", b.Threads)
	}
	macs := int64(0)
	for _, s := range b.Steps {
		if s.Op == "" || s.Kernel == "" || s.MACs > 0 && s.MedianUS <= 0 {
			t.Errorf("step %+v", s)
		}
		macs += s.MACs
	}
	if len(b.Steps) == 0 || macs != b.MACs {
		t.Errorf("%d steps of %d multiply-accumulates, the model has %d", len(b.Steps), macs, b.MACs)
	}
	if c := b.Compared; c == nil || c.Tier != "generic" || len(c.Steps) != len(b.Steps) {
		t.Errorf("compared: %+v", c)
	} else {
		for _, s := range c.Steps {
			if s.MACs > 0 && !strings.HasSuffix(s.Kernel, "/generic") {
				t.Errorf("compared with generic kernels: %s", s.Kernel)
			}
		}
	}
}

func TestBenchLimits(t *testing.T) {
	m := absPath(t, tinyInt8+".tflite")
	var b benchJSON
	decoded(t, &b, "", "bench", m, "--seconds", "60", "--runs", "1", "--json")
	if b.Runs < 1 || b.Runs > 10_000 { // at least one burst is measured
		t.Errorf("--runs 1: %d runs", b.Runs)
	}
	t.Setenv("WAYSIDE_KERNELS", "generic")
	decoded(t, &b, "", "bench", m, "--seconds", "0.1", "--json")
	if b.Tier != "generic" {
		t.Errorf("WAYSIDE_KERNELS=generic: tier %s", b.Tier)
	}
	names, _ := kernels.Tiers()
	decoded(t, &b, "", "bench", m, "--seconds", "0.1", "--tier", names[len(names)-1], "--json")
	if b.Tier != machineTier(t) {
		t.Errorf("--tier %s: tier %s, the machine has %s", names[len(names)-1], b.Tier, machineTier(t))
	}
}

// machineTier is the fastest tier that the machine has.
func machineTier(t *testing.T) string {
	t.Helper()
	best := ""
	names, has := kernels.Tiers()
	for i, n := range names {
		if has[i] {
			best = n
		}
	}
	return best
}

func TestBenchKernels(t *testing.T) {
	var b kernelsJSON
	decoded(t, &b, "tier threads kernels", "bench", "--kernels", "--seconds", "0.1", "--json")
	chosen, works := 0, map[string]bool{}
	for _, k := range b.Kernels {
		if k.Work == "" || k.Kernel == "" || k.MACs+k.Elems <= 0 || k.MedianUS <= 0 || k.BestUS > k.MedianUS || k.GMACs+k.GElems <= 0 || k.Runs < 1 {
			t.Errorf("%+v", k)
		}
		works[k.Work] = true
		if k.Chosen {
			chosen++
		}
	}
	if chosen != len(works) || chosen == 0 {
		t.Errorf("%d shapes, %d chosen kernels", len(works), chosen)
	}
	out, errs, code := wayside(t, t.TempDir(), "bench", "--kernels", "--seconds", "0.1", "--tier", "generic")
	if code != 0 || strings.Count(out, "  *  ") != chosen {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "  *  ") && !strings.HasSuffix(line, "/generic\n") && !strings.HasSuffix(line, "/table\n") {
			t.Errorf("--tier generic chooses %s", line)
		}
	}
}

func TestBenchBadFlags(t *testing.T) {
	m := absPath(t, tinyInt8+".tflite")
	for _, args := range [][]string{
		{m, "--threads", "0"}, {m, "--seconds", "0"}, {m, "--seconds", "NaN"}, {m, "--seconds", "-1"}, {m, "--seconds", "4000"}, {m, "--runs", "-1"},
		{m, "--share", "0"}, {m, "--share", "1.1"}, {m, "--tier", "mmx"}, {m, "--compare", "mmx"}, {m, "--shape", "window=1"}, {m, "--nosuchflag"},
		{"no.tflite"}, {}, {m, m}, {m, "--kernels"}, {"--kernels", "--steps"}, {"--kernels", "--compare", "generic"}, {"--kernels", "--runs", "3"}, {"--kernels", "--seconds", "0"},
	} {
		out, errs, code := wayside(t, t.TempDir(), append([]string{"bench"}, args...)...)
		if code != exitInput || errs == "" || out != "" {
			t.Errorf("%v: exit code %d: %s%s", args, code, out, errs)
		}
	}
	if _, errs, code := wayside(t, t.TempDir(), "infer", m, "--in", "x.npy", "--threads", "0"); code != exitInput || !strings.Contains(errs, "--threads") {
		t.Errorf("infer --threads 0: exit code %d: %s", code, errs)
	}
}

// TestThreads: several threads give the same bytes as one.
func TestThreads(t *testing.T) {
	dir := t.TempDir()
	saveNPY(t, filepath.Join(dir, "x.npy"), recorded(t, tinyInt8, "in0"))
	var want []*tensor.Tensor
	for _, n := range []string{"1", "2", "100"} {
		out, errs, code := wayside(t, dir, "infer", absPath(t, tinyInt8+".tflite"), "--in", "x.npy", "--rows", "--out", "y.npz", "--threads", n)
		if code != 0 {
			t.Fatalf("exit code %d: %s%s", code, out, errs)
		}
		got := outputs(t, filepath.Join(dir, "y.npz"))
		if want == nil {
			want = got
		}
		for i := range got {
			if !slices.Equal(got[i].Data, want[i].Data) {
				t.Errorf("%s threads: output %d differs", n, i)
			}
		}
	}
}

// TestUnknownTier: whoever limits the kernels to something that does not exist is told by every verb that loads models, and by doctor.
func TestUnknownTier(t *testing.T) {
	m := absPath(t, tinyInt8+".tflite")
	t.Setenv("WAYSIDE_KERNELS", "mmx")
	for _, args := range [][]string{{"inspect", m}, {"infer", m, "--in", "x.npy"}, {"bench", m}, {"bench", "--kernels"}, {"check", "site.toml"}, {"run", "--config", "site.toml"}, {"demo"}, {"doctor"}} {
		out, errs, code := wayside(t, t.TempDir(), args...)
		if text := out + errs; code != exitInput || !strings.Contains(text, `"mmx"`) || !strings.Contains(text, "generic") || !strings.Contains(text, "WAYSIDE_KERNELS") {
			t.Errorf("%v: exit code %d: %s", args, code, text)
		}
	}
	if out, errs, code := wayside(t, t.TempDir(), "version"); code != 0 {
		t.Errorf("version: exit code %d: %s%s", code, out, errs)
	}
}

func TestDoctorKernels(t *testing.T) {
	find := func() (level, detail string) {
		out, _, _ := wayside(t, t.TempDir(), "doctor", "--json")
		var r struct {
			Findings []struct{ Check, Level, Detail string }
		}
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			t.Fatal(err)
		}
		for _, f := range r.Findings {
			if f.Check == "kernels" {
				return f.Level, f.Detail
			}
		}
		t.Fatal("doctor does not speak of kernels")
		return "", ""
	}
	t.Setenv("WAYSIDE_KERNELS", "")
	if level, detail := find(); level != "ok" || !strings.HasPrefix(detail, machineTier(t)+";") {
		t.Errorf("%s: %s", level, detail)
	}
	t.Setenv("WAYSIDE_KERNELS", "generic")
	want := "warning"
	if machineTier(t) == "generic" {
		want = "ok"
	}
	if level, detail := find(); level != want || !strings.HasPrefix(detail, "generic;") || !strings.HasSuffix(detail, "WAYSIDE_KERNELS is generic") {
		t.Errorf("%s: %s", level, detail)
	}
}
