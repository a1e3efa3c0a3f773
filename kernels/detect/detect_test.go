package detect

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestOverlap(t *testing.T) {
	for _, c := range []struct {
		a, b []float32
		want float32
	}{
		{[]float32{0, 0, 2, 2}, []float32{0, 0, 2, 2}, 1},
		{[]float32{0, 0, 2, 2}, []float32{1, 1, 3, 3}, 1. / 7},
		{[]float32{0, 0, 1, 1}, []float32{1, 0, 2, 1}, 0},
		{[]float32{0, 0, 0, 1}, []float32{0, 0, 0, 1}, 0},
		{[]float32{0, 0, 2, 2}, []float32{2, 2, 0, 0}, 0}, // corners out of order have no area
	} {
		if got := Overlap(c.a, c.b); got != c.want {
			t.Errorf("%v and %v: %v, want %v", c.a, c.b, got, c.want)
		}
	}
	if got := overlapAny([]float32{0, 0, 2, 2}, []float32{2, 2, 0, 0}); got != 1 {
		t.Errorf("corners in any order: %v", got)
	}
}

func TestDecode(t *testing.T) {
	scale := [4]float32{10, 10, 5, 5}
	anchors := Values{F: []float32{0.5, 0.25, 0.2, 0.1}}
	boxes := make([]float32, 4)
	if !Decode(boxes, &Values{F: []float32{5, -10, 0, 0, 99}}, 5, &anchors, &scale) || !slices.Equal(boxes, []float32{0.5, 0.10000001, 0.70000005, 0.2}) {
		t.Errorf("got %v", boxes)
	}
	anchors.F[2] = -0.2
	if Decode(boxes, &Values{F: []float32{0, 0, 0, 0}}, 4, &anchors, &scale) {
		t.Error("an anchor of negative height is accepted")
	}
}

// TestPostProcessReuse runs with memory that holds rubbish, and with scores that are no numbers.
func TestPostProcessReuse(t *testing.T) {
	for _, regular := range []bool{false, true} {
		c := &Config{Boxes: 3, Classes: 2, Columns: 3, Detections: 4, PerBox: 2, Places: 2, PerClass: 2, MinScore: 0.2, MaxOverlap: 0.5, Regular: regular}
		nf, ni := c.FloatsAndInts()
		floats, ints := make([]float32, nf), make([]int32, ni)
		for i := range floats {
			floats[i] = -7
		}
		for i := range ints {
			ints[i] = 1 << 30
		}
		w := NewWork(c, floats, ints)
		boxes := []float32{0, 0, 1, 1, 0, 0, 1, 0.9, 2, 2, 3, 3}
		scores := Values{F: []float32{9, 0.5, 0.3, 9, 0.25, 0.6, 9, 0.1, 0.4}}
		r := &Result{Boxes: make([]float32, 32), Classes: make([]float32, 8), Scores: make([]float32, 8)}
		n := PostProcess(r, boxes, &scores, c, &w)
		want := []float32{0.6, 0.25, 0.4, 0.1, 0, 0, 0, 0}
		classes := []float32{1, 0, 1, 0, 0, 0, 0, 0}
		count := 2
		if regular {
			want, classes, count = []float32{0.6, 0.5, 0.4, 0, 0, 0, 0, 0}, []float32{1, 0, 1, 0, 0, 0, 0, 0}, 3
		}
		if n != count || !slices.Equal(r.Scores, want) || !slices.Equal(r.Classes, classes) {
			t.Errorf("regular %v: %d with scores %v, classes %v; want %d with %v, %v", regular, n, r.Scores, r.Classes, count, want, classes)
		}
		for i := range scores.F {
			scores.F[i] = float32(math.NaN())
		}
		if n := PostProcess(r, boxes, &scores, c, &w); n != 0 {
			t.Errorf("%d detections of no numbers", n)
		}
	}
}

func TestSuppress(t *testing.T) {
	boxes := []float32{0, 0, 1, 1, 0, 0, 1, 0.9, 2, 2, 3, 3, 5, 5, 5, 6}
	scores := []float32{0.5, 0.9, 0.3, 0.1}
	chosen, kept := make([]int32, 6), make([]float32, 6)
	heap := make([]Candidate, 4)
	c := &SuppressConfig{MaxOverlap: 0.5, MinScore: 0.1}
	if n := Suppress(chosen, kept, boxes, scores, c, heap); n != 2 || !slices.Equal(chosen[:3], []int32{1, 2, 0}) || !slices.Equal(kept[:3], []float32{0.9, 0.3, 0}) {
		t.Errorf("%d chosen: %v, %v", n, chosen, kept)
	}
	c.Sigma, c.MaxOverlap = 0.5, 1
	if n := Suppress(chosen, kept, boxes, scores, c, heap); n != 3 || !slices.Equal(chosen[:3], []int32{1, 2, 0}) || math.Abs(float64(kept[2])-0.5*math.Exp(-0.81)) > 1e-6 {
		t.Errorf("%d chosen: %v, %v", n, chosen, kept)
	}
	for i := range boxes {
		boxes[i] = float32(math.NaN())
	}
	Suppress(chosen, nil, boxes, scores, c, heap) // ends
}

func TestLargest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := 1; n < 70; n++ {
		for range 50 {
			row, want := make([]int8, n), int8(math.MinInt8)
			for i := range row {
				row[i] = int8(r.Uint32() >> (r.IntN(3) * 2))
				if n%5 == 0 {
					row[i] = int8(r.IntN(4) - 128)
				}
				want = max(want, row[i])
			}
			if got := largest(row); got != want {
				t.Fatalf("%v: %d, want %d", row, got, want)
			}
		}
	}
}
