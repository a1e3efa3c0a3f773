package trees

import (
	"math"
	"slices"
	"testing"
)

// twoTrees asks feature 0 and then, on its No side, feature 1; its second tree is a leaf alone.
func twoTrees() *Ensemble {
	return &Ensemble{
		Nodes:    []Node{{Value: 1, Feature: 0, Yes: ^0, No: 1}, {Value: -2, Feature: 1, Yes: ^1, No: ^2}},
		Roots:    []int32{0, ^3},
		Leaves:   []int32{0, 1, 2, 4, 5},
		Weights:  []Weight{{0, 10}, {1, 20}, {0, 30}, {1, 40}, {0, 1}},
		Features: 2, Targets: 2,
	}
}

func TestRun(t *testing.T) {
	nan := float32(math.NaN())
	rows := []float32{1, 0 /**/, 2, -3 /**/, 2, 0 /**/, nan, nan}
	for _, c := range []struct {
		name   string
		change func(*Ensemble)
		want   []float32
	}{
		{"sum", func(*Ensemble) {}, []float32{11, 0, 1, 20, 31, 40, 31, 40}},
		{"base", func(e *Ensemble) { e.Base = []float32{100, -1} }, []float32{111, -1, 101, 19, 131, 39, 131, 39}},
		{"average", func(e *Ensemble) { e.Aggregate = Average }, []float32{5.5, 0, 0.5, 10, 15.5, 20, 15.5, 20}},
		{"min", func(e *Ensemble) { e.Aggregate = Min }, []float32{1, 0, 1, 20, 1, 40, 1, 40}},
		{"max", func(e *Ensemble) { e.Aggregate = Max }, []float32{10, 0, 1, 20, 30, 40, 30, 40}},
		{"missing", func(e *Ensemble) { e.Nodes[0].Missing = true }, []float32{11, 0, 1, 20, 31, 40, 11, 0}},
		{"less", func(e *Ensemble) { e.Nodes[0].Mode = Less }, []float32{31, 40, 1, 20, 31, 40, 31, 40}},
		{"greater or equal", func(e *Ensemble) { e.Nodes[0].Mode = GreaterEqual }, []float32{11, 0, 11, 0, 11, 0, 31, 40}},
		{"greater", func(e *Ensemble) { e.Nodes[0].Mode = Greater }, []float32{31, 40, 11, 0, 11, 0, 31, 40}},
		{"equal", func(e *Ensemble) { e.Nodes[0].Mode = Equal }, []float32{11, 0, 1, 20, 31, 40, 31, 40}},
		{"not equal", func(e *Ensemble) { e.Nodes[0].Mode = NotEqual }, []float32{31, 40, 11, 0, 11, 0, 11, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := twoTrees()
			c.change(e)
			if err := e.Check(); err != nil {
				t.Fatal(err)
			}
			got, counts := make([]float32, len(c.want)), make([]int32, 2)
			if n := testing.AllocsPerRun(1, func() { e.Run(got, rows, counts) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	for name, change := range map[string]func(*Ensemble){
		"loop":           func(e *Ensemble) { e.Nodes[1].No = 0 },
		"itself":         func(e *Ensemble) { e.Nodes[1].No = 1 },
		"shared node":    func(e *Ensemble) { e.Roots = []int32{0, 1} },
		"node beyond":    func(e *Ensemble) { e.Nodes[0].No = 2 },
		"leaf beyond":    func(e *Ensemble) { e.Nodes[0].Yes = ^4 },
		"feature beyond": func(e *Ensemble) { e.Nodes[1].Feature = 2 },
		"no feature":     func(e *Ensemble) { e.Nodes[1].Feature = -1 },
		"mode":           func(e *Ensemble) { e.Nodes[1].Mode = NotEqual + 1 },
		"target":         func(e *Ensemble) { e.Weights[0].Target = 2 },
		"weights":        func(e *Ensemble) { e.Leaves[4] = 6 },
		"leaves go back": func(e *Ensemble) { e.Leaves[1] = 3 },
		"no leaves":      func(e *Ensemble) { e.Leaves = nil },
		"base":           func(e *Ensemble) { e.Base = []float32{1} },
	} {
		e := twoTrees()
		change(e)
		if e.Check() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
