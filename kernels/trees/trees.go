package trees

import "errors"

// Mode says how a node compares a feature with its value.
type Mode uint8

// The comparisons. The order is that of ONNX's TreeEnsemble.
const (
	LessEqual Mode = iota
	Less
	GreaterEqual
	Greater
	Equal
	NotEqual
)

// Node asks one question. Yes and No are the next nodes by index, or leaves as the complement of theirs (^leaf).
type Node struct {
	Value   float32
	Feature int32
	Yes, No int32
	Mode    Mode
	Missing bool // NaN goes to Yes; otherwise it fails every comparison but NotEqual
}

// Weight is what a leaf adds to a target.
type Weight struct {
	Target int32
	Value  float32
}

// Aggregate says how the weights of all trees make a target's score.
type Aggregate uint8

// The aggregates.
const (
	Sum Aggregate = iota
	Average
	Min
	Max
)

// Ensemble is a list of trees over rows of Features numbers. Roots are nodes or leaves as in Node. The weights of leaf i are
// Weights[Leaves[i]:Leaves[i+1]]. It is shared and read only once Check has accepted it.
type Ensemble struct {
	Nodes     []Node
	Roots     []int32
	Leaves    []int32
	Weights   []Weight
	Base      []float32 // added to every score; one value for each target, or none
	Features  int
	Targets   int
	Aggregate Aggregate

	plain bool // every node is LessEqual without Missing: the usual case
}

// What Check finds.
var (
	errLoop    = errors.New("trees: two ways lead to one node")
	errLists   = errors.New("trees: leaves and base values do not fit")
	errTarget  = errors.New("trees: a weight is for a target that there is not")
	errLeaf    = errors.New("trees: a way leads to a leaf that there is not")
	errNode    = errors.New("trees: a way leads to a node that there is not")
	errFeature = errors.New("trees: a node asks for a feature that there is not")
)

// Check makes sure that every walk ends, and inside of the arrays: from the roots on, each node is reached at most once.
func (e *Ensemble) Check() error {
	leaves := len(e.Leaves) - 1
	if leaves < 0 || len(e.Base) != 0 && len(e.Base) != e.Targets {
		return errLists
	}
	for i, from := range e.Leaves {
		if from < 0 || int(from) > len(e.Weights) || i > 0 && from < e.Leaves[i-1] {
			return errLists
		}
	}
	for _, w := range e.Weights {
		if w.Target < 0 || int(w.Target) >= e.Targets {
			return errTarget
		}
	}
	e.plain = true
	seen := make([]bool, len(e.Nodes))
	stack := append([]int32(nil), e.Roots...)
	for len(stack) > 0 {
		i := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if i < 0 {
			if int(^i) >= leaves {
				return errLeaf
			}
			continue
		}
		if int(i) >= len(e.Nodes) {
			return errNode
		}
		if seen[i] {
			return errLoop
		}
		seen[i] = true
		n := &e.Nodes[i]
		if n.Feature < 0 || int(n.Feature) >= e.Features || n.Mode > NotEqual {
			return errFeature
		}
		e.plain = e.plain && n.Mode == LessEqual && !n.Missing
		stack = append(stack, n.Yes, n.No)
	}
	return nil
}

// Run computes the scores dst[rows][Targets] of src[rows][Features]. Targets that no leaf has a weight for get their base value, or 0. counts is
// scratch of Targets values.
func (e *Ensemble) Run(dst, src []float32, counts []int32) {
	if len(src)/max(e.Features, 1) != len(dst)/max(e.Targets, 1) || len(counts) < e.Targets {
		panic("trees: slice length mismatch")
	}
	for len(dst) > 0 {
		e.row(dst[:e.Targets], src[:e.Features], counts[:e.Targets])
		dst, src = dst[e.Targets:], src[e.Features:]
	}
}

func (e *Ensemble) row(dst, x []float32, counts []int32) {
	clear(dst)
	clear(counts)
	for _, at := range e.Roots {
		if e.plain {
			at = e.walkPlain(at, x)
		} else {
			at = e.walk(at, x)
		}
		for _, w := range e.Weights[e.Leaves[at]:e.Leaves[at+1]] {
			d := &dst[w.Target]
			counts[w.Target]++
			switch first := counts[w.Target] == 1; {
			case e.Aggregate <= Average:
				*d += w.Value
			case first || e.Aggregate == Min && w.Value < *d || e.Aggregate == Max && w.Value > *d:
				*d = w.Value
			}
		}
	}
	if e.Aggregate == Average {
		for i := range dst {
			dst[i] /= float32(len(e.Roots))
		}
	}
	for i, b := range e.Base {
		dst[i] += b
	}
}

// walkPlain is walk where every node is LessEqual.
func (e *Ensemble) walkPlain(at int32, x []float32) int32 {
	for at >= 0 {
		n := &e.Nodes[at]
		at = n.No
		if x[n.Feature] <= n.Value {
			at = n.Yes
		}
	}
	return ^at
}

// walk returns the leaf that row x ends at.
func (e *Ensemble) walk(at int32, x []float32) int32 {
	for at >= 0 {
		n := &e.Nodes[at]
		v, yes := x[n.Feature], false
		switch n.Mode {
		case LessEqual:
			yes = v <= n.Value
		case Less:
			yes = v < n.Value
		case GreaterEqual:
			yes = v >= n.Value
		case Greater:
			yes = v > n.Value
		case Equal:
			yes = v == n.Value
		case NotEqual:
			yes = v != n.Value
		}
		at = n.No
		if yes || n.Missing && v != v {
			at = n.Yes
		}
	}
	return ^at
}
