package detect

import "wayside/kernels/vec"

// Config says how PostProcess chooses boxes.
type Config struct {
	Boxes      int // count of candidates
	Classes    int // without background
	Columns    int // scores per candidate: Classes, or one more with a background in front
	Detections int // how many are wanted
	PerBox     int // classes reported for each box, at most Classes; used unless Regular
	Places     int // places in the result for each box: at least PerBox
	PerClass   int // boxes kept of each class, used with Regular
	MinScore   float32
	MaxOverlap float32
	Regular    bool // suppress within each class; otherwise among the best scores of all boxes
}

// Work is memory that PostProcess works in.
type Work struct {
	Scores, Kept, Sorted []float32 // Boxes each
	Index, Order         []int32   // Boxes each
	Chosen               []int32   // min(Boxes, max(Detections, PerClass))
	Row, Best            []float32 // Columns; PerBox
	BestClass            []int32   // PerBox
	// With Regular, of Detections + min(Boxes, PerClass) elements each:
	PoolScore, NextScore []float32
	PoolIndex, NextIndex []int32
}

// NewWork cuts memory for a configuration out of floats and ints, which have FloatsAndInts elements.
func NewWork(c *Config, floats []float32, ints []int32) Work {
	f := func(n int) (s []float32) { s, floats = floats[:n:n], floats[n:]; return s }
	i := func(n int) (s []int32) { s, ints = ints[:n:n], ints[n:]; return s }
	w := Work{Scores: f(c.Boxes), Kept: f(c.Boxes), Sorted: f(c.Boxes), Row: f(c.Columns), Best: f(c.PerBox)}
	w.Index, w.Order, w.Chosen, w.BestClass = i(c.Boxes), i(c.Boxes), i(c.chosen()), i(c.PerBox)
	if c.Regular {
		n := c.pool()
		w.PoolScore, w.NextScore, w.PoolIndex, w.NextIndex = f(n), f(n), i(n), i(n)
	}
	return w
}

// FloatsAndInts returns how many of each the Work of a configuration needs.
func (c *Config) FloatsAndInts() (floats, ints int) {
	floats, ints = 3*c.Boxes+c.Columns+c.PerBox, 2*c.Boxes+c.chosen()+c.PerBox
	if c.Regular {
		floats, ints = floats+2*c.pool(), ints+2*c.pool()
	}
	return floats, ints
}

func (c *Config) chosen() int { return min(c.Boxes, max(c.Detections, c.PerClass)) }
func (c *Config) pool() int   { return c.Detections + min(c.Boxes, c.PerClass) }

// Result is what PostProcess finds: Detections × Places boxes with four corners each, their classes and scores. Unused places are zero.
type Result struct{ Boxes, Classes, Scores []float32 }

// PostProcess chooses boxes by their scores, best first, and returns how many. scores has Columns values for each box.
func PostProcess(r *Result, boxes []float32, scores *Values, c *Config, w *Work) int {
	if len(boxes) != 4*c.Boxes || scores.Len() != c.Boxes*c.Columns || len(r.Scores) != c.Detections*c.Places {
		panic("detect: slice length mismatch")
	}
	clear(r.Boxes)
	clear(r.Classes)
	clear(r.Scores)
	if c.Regular {
		return postProcessRegular(r, boxes, scores, c, w)
	}
	background := c.Columns - c.Classes
	for i := range c.Boxes {
		w.Scores[i] = scores.best(i*c.Columns+background, c.Classes)
	}
	chosen := suppress(boxes, c, w, c.Detections)
	for n, b := range chosen {
		row := w.Row[:c.Classes]
		scores.read(row, int(b)*c.Columns+background)
		vec.TopK(w.Best, w.BestClass, row)
		for k, class := range w.BestClass {
			r.put(n*c.Places+k, boxes, int(b), int(class), row[class])
		}
	}
	return len(chosen)
}

func (r *Result) put(at int, boxes []float32, box, class int, score float32) {
	copy(r.Boxes[4*at:4*at+4], boxes[4*box:])
	r.Classes[at], r.Scores[at] = float32(class), score
}

// suppress chooses boxes by w.Scores: at most limit, best first, none that overlaps a better one too much.
func suppress(boxes []float32, c *Config, w *Work, limit int) []int32 {
	n := 0
	for i, s := range w.Scores {
		if s >= c.MinScore {
			w.Kept[n], w.Index[n] = s, int32(i)
			n++
		}
	}
	// A few of the best are sorted at first, more only when so many of them overlap.
	sorted := min(n, 4*limit)
	order := w.Order[:sorted]
	vec.TopK(w.Sorted[:sorted], order, w.Kept[:n])
	chosen := w.Chosen[:0]
	for i := 0; i < n && len(chosen) < limit; i++ {
		if i == sorted {
			sorted = min(n, 8*sorted)
			order = w.Order[:sorted]
			vec.TopK(w.Sorted[:sorted], order, w.Kept[:n])
		}
		if b := w.Index[order[i]]; !overlapsAny(boxes, chosen, b, c.MaxOverlap) {
			chosen = append(chosen, b)
		}
	}
	return chosen
}

// overlapsAny reports whether box b overlaps a chosen one by more than most.
func overlapsAny(boxes []float32, chosen []int32, b int32, most float32) bool {
	for _, k := range chosen {
		if Overlap(boxes[4*k:4*k+4], boxes[4*b:4*b+4]) > most {
			return true
		}
	}
	return false
}

// postProcessRegular goes through the classes and keeps the best detections so far. A detection is box × Columns + column.
func postProcessRegular(r *Result, boxes []float32, scores *Values, c *Config, w *Work) int {
	background := c.Columns - c.Classes
	have := 0
	for class := range c.Classes {
		col := class + background
		for i := range w.Scores {
			w.Scores[i] = scores.At(i*c.Columns + col)
		}
		n := have
		for _, b := range suppress(boxes, c, w, c.PerClass) {
			w.PoolIndex[n], w.PoolScore[n] = b*int32(c.Columns)+int32(col), w.Scores[b]
			n++
		}
		have = min(n, c.Detections)
		next := w.NextIndex[:have]
		vec.TopK(w.NextScore[:have], next, w.PoolScore[:n])
		for i, p := range next {
			next[i] = w.PoolIndex[p]
		}
		copy(w.PoolIndex, next)
		copy(w.PoolScore, w.NextScore[:have])
	}
	for i, d := range w.PoolIndex[:have] {
		b := int(d) / c.Columns
		r.put(i, boxes, b, int(d)%c.Columns-background, w.PoolScore[i])
	}
	return have
}
