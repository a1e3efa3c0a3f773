package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"wayside/cmd/wayside/draw"
)

// drawPlan draws the steps with the model's inputs above, its outputs below and its states where they are used.
func drawPlan(w io.Writer, m *inspectJSON) error {
	large := badInput(fmt.Errorf("--svg: the model has %d steps, which is too large for a drawing that somebody reads; see --steps or --json", len(m.Steps)))
	if len(m.Inputs)+len(m.State)+len(m.Steps)+len(m.Outputs) > draw.MaxBoxes {
		return large
	}
	var boxes []draw.Box
	var links []draw.Link
	from := map[int]int{} // link by value
	open := func(box, value int, label string) {
		from[value] = len(links)
		links = append(links, draw.Link{From: box, Label: label})
	}
	lead := func(value, box int) {
		if k, ok := from[value]; ok && links[k].From != box && !slices.Contains(links[k].To, box) {
			links[k].To = append(links[k].To, box)
		}
	}
	for _, g := range []struct {
		what  string
		class draw.Class
		list  []ioJSON
	}{{"input", draw.End, m.Inputs}, {"state", draw.State, m.State}} {
		for _, v := range g.list {
			open(len(boxes), v.value, v.DType+shapeText(v.Shape))
			boxes = append(boxes, ioBox(g.what, g.class, v))
		}
	}
	var control []int // the boxes of the control operators around a step
	for i, s := range m.Steps {
		box := len(boxes)
		control = append(control[:min(s.Depth, len(control))], box)
		b := draw.Box{Class: draw.Light, Lines: []string{s.Op, outText(s), s.Kernel}}
		switch {
		case s.Kernel == "view":
			b.Class = draw.Free
		case s.MACs > 0:
			b.Class = draw.Heavy
			b.Share = float64(s.MACs) / float64(max(m.MACs, 1))
		}
		b.Tip = fmt.Sprintf("step %d %s %q\nkernel %s\n%s multiply-accumulates, %s bytes touched, %s bytes of the arena in use", i, s.Op, s.Name, s.Kernel, grouped(s.MACs), grouped(s.Bytes), grouped(s.Live))
		for _, o := range s.In {
			if o.Const {
				b.Tip += fmt.Sprintf("\nconstant %s%s", o.DType, shapeText(o.Shape))
			}
			if _, ok := from[o.Value]; !ok && o.Value >= 0 && !o.Const && s.Depth > 0 { // what the control operator hands in
				open(control[s.Depth-1], o.Value, o.DType+shapeText(o.Shape))
			}
			lead(o.Value, box)
		}
		boxes = append(boxes, b)
		for _, o := range s.Out {
			if _, state := from[o.Value]; o.Value >= 0 && !state {
				open(box, o.Value, o.DType+shapeText(o.Shape))
			}
		}
	}
	for _, v := range m.Outputs {
		lead(v.value, len(boxes))
		boxes = append(boxes, ioBox("output", draw.End, v))
	}
	links = slices.DeleteFunc(links, func(l draw.Link) bool { return len(l.To) == 0 })
	title := []string{filepath.Base(m.Model), fmt.Sprintf("%s, %s, %s multiply-accumulates, weights %s bytes, arena %s bytes", formatNames[m.Format], counted(len(m.Steps), "step"),
		grouped(m.MACs), grouped(int64(m.WeightBytes)), grouped(int64(m.ArenaBytes))),
		"blue: multiplies and adds, the bar is its share of that work; grey: other work; dotted: takes no time"}
	err := draw.SVG(w, title, boxes, links)
	if errors.Is(err, draw.ErrTooLarge) {
		return large
	}
	return err
}

func ioBox(what string, class draw.Class, v ioJSON) draw.Box {
	b := draw.Box{Class: class, Lines: []string{fmt.Sprintf("%s %d", what, v.Index), v.DType + shapeText(v.Shape), tail(v.Name, 34)}}
	b.Tip = fmt.Sprintf("%s %d %q\n%s", what, v.Index, v.Name, noteText(v))
	return b
}
