package csv

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wayside/hal"
	"wayside/hal/haltest"
)

const testTable = "t,speed,note\n0,50,a\n0.3,60,b\n1,,c\n2,70,d\n"

func open(t *testing.T, text string, cfg Config) (hal.Sensor, *haltest.FakeClock, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "x.csv"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	clock := haltest.NewClock()
	cfg.File = "x.csv"
	s, err := Open(&cfg, hal.Env{Clock: clock, BaseDir: dir})
	return s, clock, err
}

func TestReplay(t *testing.T) {
	type want struct {
		at    time.Duration
		value float64
		q     hal.Quality
	}
	ms := time.Millisecond
	for _, tc := range []struct {
		name string
		cfg  Config
		want []want
	}{
		{"by the column of times", Config{Column: "speed", Time: "t"}, []want{
			{0, 50, hal.Good}, {299 * ms, 50, hal.Good}, {300 * ms, 60, hal.Good}, {999 * ms, 60, hal.Good},
			{1000 * ms, 0, hal.DeviceMissing}, {2000 * ms, 70, hal.Good}, {2999 * ms, 70, hal.Good}, {3000 * ms, 0, hal.DeviceMissing}, {time.Hour, 0, hal.DeviceMissing},
		}},
		{"by step", Config{Column: "speed", Step: hal.Duration(100 * ms)}, []want{
			{0, 50, hal.Good}, {100 * ms, 60, hal.Good}, {200 * ms, 0, hal.DeviceMissing}, {399 * ms, 70, hal.Good}, {400 * ms, 0, hal.DeviceMissing},
		}},
		{"loop", Config{Column: "speed", Time: "t", Loop: true}, []want{
			{2999 * ms, 70, hal.Good}, {3000 * ms, 50, hal.Good}, {3300 * ms, 60, hal.Good}, {300*3000*ms + 300*ms, 60, hal.Good},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, clock, err := open(t, testTable, tc.cfg)
			if err != nil {
				t.Fatal(err)
			}
			begin := clock.Boot()
			for _, w := range tc.want {
				clock.Advance(begin + w.at - clock.Boot())
				v, err := s.Read(context.Background())
				if v.Value != w.value || v.Quality != w.q || v.Boot != clock.Boot() || (v.Reason == "") != (w.q == hal.Good) {
					t.Errorf("at %v: %+v, want %+v", w.at, v, w)
				}
				// An empty cell is a device that says it has nothing, the end of the file is a missing device.
				if ended := strings.Contains(v.Reason, "end of file"); ended != (err != nil) || ended && !errors.Is(err, hal.ErrNoDevice) {
					t.Errorf("at %v: error %v", w.at, err)
				}
				if w.q != hal.Good && !strings.Contains(v.Reason, "x.csv:") {
					t.Errorf("at %v: reason %q names no line", w.at, v.Reason)
				}
			}
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if _, err := s.Read(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		cfg        Config
		want       string
	}{
		{"no column", testTable, Config{Column: "flow", Time: "t"}, "t, speed, note"},
		{"text", testTable, Config{Column: "note", Time: "t"}, "x.csv:2"},
		{"time goes back", "t,v\n1,1\n1,2\n", Config{Column: "v", Time: "t"}, "x.csv:3"},
		{"time is missing", "t,v\n1,1\n,2\n", Config{Column: "v", Time: "t"}, "x.csv:3"},
		{"neither time nor step", testTable, Config{Column: "speed"}, "exactly one"},
		{"time and step", testTable, Config{Column: "speed", Time: "t", Step: 1}, "exactly one"},
		{"negative step", testTable, Config{Column: "speed", Step: -1}, "negative"},
		{"no column named", testTable, Config{Time: "t"}, "column"},
	} {
		if _, _, err := open(t, tc.text, tc.cfg); err == nil || !strings.Contains(err.Error(), tc.want) || !errors.Is(err, hal.ErrInput) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}
