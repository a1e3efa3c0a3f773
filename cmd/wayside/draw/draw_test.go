package draw

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// render fails the test when the drawing is not well-formed XML.
func render(t *testing.T, boxes []Box, links []Link) string {
	t.Helper()
	var b bytes.Buffer
	if err := SVG(&b, []string{"title"}, boxes, links); err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(bytes.NewReader(b.Bytes())); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return b.String()
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, b.String())
		}
	}
}

// network is a random graph of n boxes: a chain with branches and skips.
func network(n int, seed uint64) ([]Box, []Link) {
	r := rand.New(rand.NewPCG(seed, 0))
	boxes, links := make([]Box, n), make([]Link, 0, n)
	for i := range boxes {
		boxes[i] = Box{Class: Light, Lines: []string{strings.Repeat("X", 1+r.IntN(30)), "int8[1,2]", "kernel"}}
		l := Link{From: i, Label: "int8[1,2]"}
		for k := 0; i+1 < n && k < 1+r.IntN(3); k++ {
			l.To = append(l.To, min(n-1, i+1+r.IntN(6)*r.IntN(6)))
		}
		if len(l.To) > 0 {
			links = append(links, l)
		}
	}
	return boxes, links
}

func TestSVGText(t *testing.T) {
	boxes := []Box{
		{Class: End, Lines: []string{`<script>alert("x")</script>`, "a & b", "\x1b[31m\x00\xff'"}, Tip: "]]> \ufffe <!--"},
		{Class: Heavy, Lines: []string{strings.Repeat("ü", 100)}, Share: 0.5},
	}
	s := render(t, boxes, []Link{{0, []int{1}, "<label>"}})
	for _, bad := range []string{"<script", "\x1b", "\x00", "<label", "<!--", strings.Repeat("ü", 40)} {
		if strings.Contains(s, bad) {
			t.Errorf("the drawing contains %q", bad)
		}
	}
	if !strings.Contains(s, "a &amp; b") || strings.Count(s, "<g class") != 2 || !strings.Contains(s, `class="bar"`) {
		t.Errorf("drawing:\n%s", s)
	}
}

func TestSVGDegenerate(t *testing.T) {
	render(t, nil, nil)
	render(t, []Box{{}}, nil)
	render(t, []Box{{Lines: []string{"a"}}, {Lines: []string{"b"}}}, []Link{{0, []int{1, 1, 1}, ""}})
	if err := SVG(io.Discard, nil, make([]Box, MaxBoxes+1), nil); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many boxes: %v", err)
	}
	// Every second box leads to the last one: half a million joins.
	var links []Link
	for i := range MaxBoxes - 1 {
		links = append(links, Link{From: i, To: []int{i + 1, MaxBoxes - 1}})
	}
	if err := SVG(io.Discard, nil, make([]Box, MaxBoxes), links); !errors.Is(err, ErrTooLarge) {
		t.Errorf("too many joins: %v", err)
	}
}

// TestLayout: whatever the graph, boxes of a layer keep their gaps, links lead down by one layer at a time, and the same graph gives the
// same drawing.
func TestLayout(t *testing.T) {
	for seed := range uint64(30) {
		n := 2 + int(seed)*seed2(seed)
		boxes, links := network(n, seed)
		first, second := render(t, boxes, links), render(t, boxes, links)
		if first != second {
			t.Errorf("seed %d: two drawings differ", seed)
		}
		widths, labels := make([]float64, n), make([]float64, n)
		for i := range widths {
			widths[i] = float64(40 + 13*i%70)
			labels[i] = float64(7 * i % 90)
		}
		l, err := place(widths, labels, links)
		if err != nil {
			t.Fatal(err)
		}
		for k, layer := range l.layers {
			for i := 1; i < len(layer); i++ {
				a, b := l.nodes[layer[i-1]], l.nodes[layer[i]]
				if b.x-b.w/2-(a.x+a.right) < gapX-1e-6 {
					t.Errorf("seed %d, layer %d: places %d and %d overlap", seed, k, i-1, i)
				}
			}
		}
		for _, s := range l.segments {
			if l.layerOf[s.to] != l.layerOf[s.from]+1 {
				t.Errorf("seed %d: a segment leads from layer %d to %d", seed, l.layerOf[s.from], l.layerOf[s.to])
			}
		}
		for _, nd := range l.nodes {
			if nd.x-nd.w/2 < -1e-6 || nd.x+nd.right > l.width+1e-6 {
				t.Errorf("seed %d: a box at %v is outside of %v", seed, nd.x, l.width)
			}
		}
	}
}

func seed2(s uint64) int { return 1 + int(s%7)*2 }

// TestChainIsStraight: boxes that follow one another stand below one another, and two branches do not cross.
func TestChainIsStraight(t *testing.T) {
	l, err := place([]float64{50, 100, 70, 60}, make([]float64, 4), []Link{{0, []int{1}, ""}, {1, []int{2}, ""}, {2, []int{3}, ""}})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range l.nodes {
		if d := n.x - l.nodes[0].x; d > 0.01 || d < -0.01 {
			t.Errorf("a box of the chain stands %v off", d)
		}
	}
	// 0 leads to 1 and 2, which lead to 4 and 3 in this order of making: drawn without a crossing.
	links := []Link{{0, []int{1, 2}, ""}, {1, []int{4}, ""}, {2, []int{3}, ""}, {3, []int{5}, ""}, {4, []int{5}, ""}}
	if l, err = place([]float64{50, 50, 50, 50, 50, 50}, make([]float64, 6), links); err != nil {
		t.Fatal(err)
	}
	if (l.nodes[1].x < l.nodes[2].x) != (l.nodes[4].x < l.nodes[3].x) {
		t.Error("two branches cross")
	}
}

func BenchmarkSVG(b *testing.B) {
	for _, n := range []int{60, 500, 2000} {
		boxes, links := network(n, 1)
		b.Run(fmt.Sprintf("boxes=%d", n), func(b *testing.B) {
			for b.Loop() {
				if err := SVG(io.Discard, nil, boxes, links); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
