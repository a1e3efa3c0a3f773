package draw

import (
	"cmp"
	"errors"
	"slices"
)

// Limits of a drawing; a larger one has no reader.
const (
	MaxBoxes = 4000
	maxJoins = 100_000 // places where a link passes a layer
)

// ErrTooLarge is returned for a graph beyond the limits.
var ErrTooLarge = errors.New("draw: the graph is too large to draw")

// Sizes in pixels.
const (
	gapX     = 22 // between boxes of a layer
	gapY     = 44 // between layers: room for curves and one label
	joinW    = 10 // width of a link that passes a layer
	sweeps   = 12
	joinPull = 4 // how much straighter a passing link wants to be than a box wants to stand over its neighbours
)

// node is a box, or a join where a link passes a layer. x is its centre; to the right of it the node needs right, which is more than half
// of its width w where a label stands under it.
type node struct {
	box      int // index of the box, -1 for a join
	w, x     float64
	right    float64
	up, down []int // neighbours in the layer above and below
}

// segment is one stretch of a link between neighbouring layers.
type segment struct {
	from, to int // nodes
	link     int
	first    bool // the first stretch of its link, which carries the label
}

type layout struct {
	nodes    []node
	layerOf  []int
	layers   [][]int
	segments []segment
	width    float64
}

// place lays boxes of the given widths out; labels are the widths of the texts under them. Links lead from boxes to later ones. The
// result depends on nothing but the input.
func place(widths, labels []float64, links []Link) (*layout, error) {
	if len(widths) > MaxBoxes {
		return nil, ErrTooLarge
	}
	l := &layout{}
	layer := assignLayers(len(widths), links)
	for i, w := range widths {
		l.add(node{box: i, w: w, right: max(w/2, labels[i])}, layer[i])
	}
	for k, ln := range links {
		if err := l.route(k, ln, layer); err != nil {
			return nil, err
		}
	}
	l.order()
	l.coordinates()
	return l, nil
}

// assignLayers puts every box below all that lead to it, and a box that nothing leads to right above its first reader.
func assignLayers(n int, links []Link) []int {
	layer, fed, first := make([]int, n), make([]bool, n), make([]int, n)
	out := make([][]int, n)
	for _, ln := range links {
		for _, t := range ln.To {
			out[ln.From] = append(out[ln.From], t)
			fed[t] = true
		}
	}
	for i := range n { // links lead forward, so one pass is enough
		for _, t := range out[i] {
			layer[t] = max(layer[t], layer[i]+1)
		}
	}
	for i := range n {
		if fed[i] || len(out[i]) == 0 {
			continue
		}
		first[i] = layer[out[i][0]]
		for _, t := range out[i] {
			first[i] = min(first[i], layer[t])
		}
		layer[i] = first[i] - 1
	}
	return layer
}

func (l *layout) add(n node, layer int) int {
	id := len(l.nodes)
	l.nodes, l.layerOf = append(l.nodes, n), append(l.layerOf, layer)
	for len(l.layers) <= layer {
		l.layers = append(l.layers, nil)
	}
	l.layers[layer] = append(l.layers[layer], id)
	return id
}

// route leads a link through the layers: one join in each between, shared by all that it leads to.
func (l *layout) route(k int, ln Link, layer []int) error {
	to := slices.Clone(ln.To)
	slices.SortStableFunc(to, func(a, b int) int { return cmp.Compare(layer[a], layer[b]) })
	at, first := ln.From, true
	join := func(a, b int) {
		l.segments = append(l.segments, segment{a, b, k, first})
		l.nodes[a].down, l.nodes[b].up = append(l.nodes[a].down, b), append(l.nodes[b].up, a)
		first = false
	}
	for _, t := range slices.Compact(to) {
		for l.layerOf[at] < layer[t]-1 {
			if len(l.nodes) > maxJoins {
				return ErrTooLarge
			}
			n := l.add(node{box: -1, w: joinW, right: joinW / 2}, l.layerOf[at]+1)
			join(at, n)
			at = n
		}
		join(at, t)
	}
	return nil
}

// order sorts each layer by the mean place of its neighbours, downwards and upwards in turn, and keeps the order with the fewest
// crossings.
func (l *layout) order() {
	pos := make([]float64, len(l.nodes))
	number := func() {
		for _, layer := range l.layers {
			for i, n := range layer {
				pos[n] = float64(i)
			}
		}
	}
	number()
	best, fewest := l.copyLayers(), l.crossings(pos)
	for s := range sweeps {
		if fewest == 0 {
			break
		}
		for i := range l.layers {
			layer := l.layers[i]
			if s%2 == 1 {
				layer = l.layers[len(l.layers)-1-i]
			}
			want := map[int]float64{}
			for _, n := range layer {
				near := l.nodes[n].up
				if s%2 == 1 {
					near = l.nodes[n].down
				}
				want[n] = pos[n]
				if len(near) > 0 {
					want[n] = mean(near, func(m int) float64 { return pos[m] })
				}
			}
			slices.SortStableFunc(layer, func(a, b int) int { return cmp.Compare(want[a], want[b]) })
			for j, n := range layer {
				pos[n] = float64(j)
			}
		}
		if c := l.crossings(pos); c < fewest {
			best, fewest = l.copyLayers(), c
		}
	}
	l.layers = best
}

func (l *layout) copyLayers() [][]int {
	out := make([][]int, len(l.layers))
	for i := range out {
		out[i] = slices.Clone(l.layers[i])
	}
	return out
}

// crossings counts pairs of segments that cross, layer by layer, by inversions in a Fenwick tree.
func (l *layout) crossings(pos []float64) int {
	total := 0
	for _, layer := range l.layers {
		var ends []int
		width := 0
		for _, n := range layer {
			d := make([]int, 0, len(l.nodes[n].down))
			for _, m := range l.nodes[n].down {
				d = append(d, int(pos[m]))
				width = max(width, int(pos[m])+1)
			}
			slices.Sort(d)
			ends = append(ends, d...)
		}
		tree := make([]int, width+1)
		for i, e := range ends {
			before := 0
			for k := e + 1; k > 0; k -= k & -k {
				before += tree[k]
			}
			total += i - before
			for k := e + 1; k <= width; k += k & -k {
				tree[k]++
			}
		}
	}
	return total
}

func mean(list []int, of func(int) float64) float64 {
	sum := 0.0
	for _, n := range list {
		sum += of(n)
	}
	return sum / float64(len(list))
}

// coordinates moves every layer as near to its neighbours as the order and the widths allow: at first from the top, then from both
// sides.
func (l *layout) coordinates() {
	for i := range l.layers {
		l.settle(l.layers[i], func(n node) []int { return n.up })
	}
	for range sweeps {
		for i := len(l.layers) - 1; i >= 0; i-- {
			l.settle(l.layers[i], func(n node) []int { return n.down })
		}
		for i := range l.layers {
			l.settle(l.layers[i], func(n node) []int { return n.up })
		}
	}
	left, right := 0.0, 0.0
	for i, n := range l.nodes {
		if i == 0 || n.x-n.w/2 < left {
			left = n.x - n.w/2
		}
		if i == 0 || n.x+n.right > right {
			right = n.x + n.right
		}
	}
	for i := range l.nodes {
		l.nodes[i].x -= left
	}
	l.width = right - left
}

// settle solves one layer exactly: the least weighted squares of the distances from where each node wants to be, with the order and the
// gaps kept. Less the offsets of a tight row it is a regression to a rising line, solved by pooling neighbours that would overlap.
func (l *layout) settle(layer []int, near func(node) []int) {
	type pool struct {
		sum, weight float64
		count       int
	}
	var pools []pool
	offsets := make([]float64, len(layer))
	for i, id := range layer {
		n := &l.nodes[id]
		if i > 0 {
			p := &l.nodes[layer[i-1]]
			offsets[i] = offsets[i-1] + p.right + n.w/2 + gapX
		}
		want, weight := n.x, 1.0
		if m := near(*n); len(m) > 0 {
			want = mean(m, func(k int) float64 { return l.nodes[k].x })
			if n.box < 0 {
				weight = joinPull
			}
		} else if n.x == 0 {
			weight = 0.01 // it has no place yet: it goes where there is room
		}
		pools = append(pools, pool{(want - offsets[i]) * weight, weight, 1})
		for k := len(pools) - 1; k > 0 && pools[k-1].sum/pools[k-1].weight > pools[k].sum/pools[k].weight; k-- {
			a, b := pools[k-1], pools[k]
			pools[k-1] = pool{a.sum + b.sum, a.weight + b.weight, a.count + b.count}
			pools = pools[:k]
		}
	}
	i := 0
	for _, p := range pools {
		for range p.count {
			l.nodes[layer[i]].x = p.sum/p.weight + offsets[i]
			i++
		}
	}
}
