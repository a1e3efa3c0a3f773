package demo

import (
	"io/fs"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

// assets are the demo's own, as cmd hands them in.
func assets(t *testing.T) fs.FS {
	t.Helper()
	const dir = "../../firmware-config/demo"
	if _, err := os.Stat(dir); err != nil {
		t.Fatal(err)
	}
	return os.DirFS(dir)
}

func at(day, hour, minute int) time.Time {
	return time.Date(2015, 9, day, hour, minute, 0, 0, time.UTC)
}

func TestReplayRows(t *testing.T) {
	for _, c := range []struct {
		name         string
		rows, middle int
		first        time.Time
		labels       int
	}{
		{"short: the anchor is the middle", 60, 30, anchor.Add(-150 * time.Minute), 1}, // the second label ends after the end
		{"default: from the split on", 600, 275, at(15, 16, 15), 2},
		{"long: never training data", 2000, 1000, at(15, 16, 0), 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := newReplay(assets(t), c.rows, c.middle)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.times) != c.rows || len(r.speed) != c.rows || len(r.occupancy) != c.rows {
				t.Fatalf("%d times, %d speeds, %d occupancies, want %d of each", len(r.times), len(r.speed), len(r.occupancy), c.rows)
			}
			if !r.times[0].Equal(c.first) {
				t.Errorf("begins at %s, want %s", r.times[0], c.first)
			}
			split := at(15, 16, 0)
			for i, x := range r.times {
				if x.Before(split) || x.After(at(17, 14, 5)) {
					t.Fatalf("row %d is %s, outside the held-out part", i, x)
				}
			}
			if len(r.labels) != c.labels {
				t.Errorf("%d labels, want %d: %v", len(r.labels), c.labels, r.labels)
			}
		})
	}
}

// The rows must be the slots that training used: the reading of 13:54 is that of the slot 13:50, and a slot without one is a gap.
func TestReplayValues(t *testing.T) {
	r, err := newReplay(assets(t), 120, 60)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at    time.Time
		speed float64
	}{
		{at(16, 13, 50), 24}, {at(16, 13, 55), 7}, {at(16, 14, 5), 7}, {at(16, 14, 30), 8}, {at(16, 14, 50), 74}, {at(16, 12, 5), math.NaN()},
	} {
		got := r.speed[r.slot(c.at)]
		if got != c.speed && !(math.IsNaN(got) && math.IsNaN(c.speed)) {
			t.Errorf("%s: %g, want %g", c.at, got, c.speed)
		}
	}
	lines := strings.Split(strings.TrimSpace(string(r.table())), "\n")
	if len(lines) != 121 || lines[0] != "speed,occupancy" {
		t.Fatalf("%d lines, the first %q", len(lines), lines[0])
	}
	if got := lines[1+r.slot(at(16, 12, 5))]; !strings.HasPrefix(got, "6553.5,") {
		t.Errorf("a gap is the line %q, want the raw value 65535", got)
	}
	if got := lines[1+r.slot(at(16, 13, 50))]; !strings.HasPrefix(got, "24,") {
		t.Errorf("the line of 13:50 is %q", got)
	}
}

func TestReplaySlotOfUnplayedTime(t *testing.T) {
	r, err := newReplay(assets(t), 20, 10)
	if err != nil {
		t.Fatal(err)
	}
	if s := r.slot(at(17, 1, 0)); s != -1 {
		t.Errorf("slot %d for a time that is not played", s)
	}
}
