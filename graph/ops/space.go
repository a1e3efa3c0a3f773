package ops

import (
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
)

// Moves between axes: blocks of pixels to channels or to the batch, and back. Each is a view, a transpose and a view.
func init() {
	for _, f := range []graph.Form{
		moveForm("SPACE_TO_DEPTH", 2, lowerSpaceToDepth, anyWhole).As("Reshape", "Transpose"),
		moveForm("DEPTH_TO_SPACE", 2, lowerDepthToSpace, anyWhole).As("Reshape", "Transpose"),
		moveForm("SPACE_TO_BATCH_ND", 4, lowerSpaceToBatch, anyWhole+"; 1 to 3 block axes").As("Pad", "Reshape", "Transpose"),
		moveForm("BATCH_TO_SPACE_ND", 4, lowerBatchToSpace, anyWhole+"; 1 to 3 block axes").As("Reshape", "Transpose", "Slice"),
	} {
		graph.RegisterForm(f)
	}
}

// blockSize reads the option of SPACE_TO_DEPTH and DEPTH_TO_SPACE.
func blockSize(l *graph.Lower) (int, tensor.Shape, error) {
	x := l.In(0)
	if x == nil || len(x.Shape) != 4 {
		return 0, nil, l.Refuse("needs an input of rank 4")
	}
	b := l.Attrs().Int(0, "", 0)
	if b < 1 || b > 1<<14 {
		return 0, nil, l.Refuse("block size %d is not supported; 1 to %d are", b, 1<<14)
	}
	return int(b), x.Shape, nil
}

// emitRegroup splits axes, reorders them and joins them again. out may be the node's output or a temporary.
func emitRegroup(l *graph.Lower, in, out graph.ValueID, q *tensor.Quant, split, perm, joined []int) {
	a := reshaped(l, "split", in, q, split)
	b := l.Temp("moved", q)
	l.Emit(graph.TransposeOp, graph.TransposeAttr{Perm: perm}, ids(a), ids(b))
	l.Emit("Reshape", ReshapeAttr{joined}, ids(b), ids(out))
}

func lowerSpaceToDepth(l *graph.Lower) error {
	b, s, err := blockSize(l)
	if err != nil {
		return err
	}
	h, w := s[1]/b, s[2]/b
	if h*b != s[1] || w*b != s[2] || s[3] > tensor.MaxElems/(b*b) {
		return l.Refuse("block size %d does not divide %v", b, s)
	}
	emitRegroup(l, l.N.In[0], l.N.Out[0], l.In(0).Quant, []int{s[0], h, b, w, b, s[3]}, []int{0, 1, 3, 2, 4, 5}, []int{s[0], h, w, b * b * s[3]})
	return nil
}

func lowerDepthToSpace(l *graph.Lower) error {
	b, s, err := blockSize(l)
	if err != nil {
		return err
	}
	c := s[3] / (b * b)
	if c*b*b != s[3] {
		return l.Refuse("block size %d does not divide the %d channels", b, s[3])
	}
	emitRegroup(l, l.N.In[0], l.N.Out[0], l.In(0).Quant, []int{s[0], s[1], s[2], b, b, c}, []int{0, 1, 3, 2, 4, 5}, []int{s[0], s[1] * b, s[2] * b, c})
	return nil
}

// blocks reads the block extents, and the pairs of paddings or crops in input 2, of the axes behind the batch.
func blocks(l *graph.Lower, pairs string) (block, before, after []int, err error) {
	x := l.In(0)
	if x == nil {
		return nil, nil, nil, l.Refuse("needs data")
	}
	if block, err = constVec(l.NodeCtx, 1, "block shape"); err != nil {
		return nil, nil, nil, err
	}
	p, err := constVec(l.NodeCtx, 2, pairs)
	if err != nil {
		return nil, nil, nil, err
	}
	m := len(block)
	if m < 1 || m > 3 || len(p) != 2*m || len(x.Shape) < m+1 || len(x.Shape) > maxRank {
		return nil, nil, nil, l.Refuse("%d block extents and %d %s for an input of rank %d; 1 to 3 blocks are supported", m, len(p), pairs, len(x.Shape))
	}
	total := 1
	for i, b := range block {
		if b < 1 || b > tensor.MaxElems/total || p[2*i] < 0 || p[2*i+1] < 0 || p[2*i] > tensor.MaxElems || p[2*i+1] > tensor.MaxElems {
			return nil, nil, nil, l.Refuse("block shape %v with %s %v is not valid", block, pairs, p)
		}
		total *= b
		before, after = append(before, p[2*i]), append(after, p[2*i+1])
	}
	return block, before, after, nil
}

func lowerSpaceToBatch(l *graph.Lower) error {
	block, before, after, err := blocks(l, "paddings")
	if err != nil {
		return err
	}
	x, m := l.In(0), len(block)
	shape, q, in := slices.Clone([]int(x.Shape)), x.Quant, l.N.In[0]
	if slices.Max(before)+slices.Max(after) > 0 {
		rank := len(shape)
		a := PadAttr{Before: make([]int, rank), After: make([]int, rank)}
		for i := range m {
			a.Before[i+1], a.After[i+1] = before[i], after[i]
			shape[i+1] += before[i] + after[i]
		}
		// The border shows the output's zero.
		if oq := l.Out(0).Quant; oq != nil {
			q = oq
		}
		in = l.Temp("padded", q)
		l.Emit("Pad", a, ids(l.N.In[0], graph.None), ids(in))
	}
	batch := 1
	split, perm, rows, joined := []int{shape[0]}, []int{}, []int{0}, []int{}
	for i, b := range block {
		if shape[i+1]%b != 0 {
			return l.Refuse("block shape %v does not divide the padded input %v", block, shape)
		}
		batch *= b
		split = append(split, shape[i+1]/b, b)
		perm, rows, joined = append(perm, 2*i+2), append(rows, 2*i+1), append(joined, shape[i+1]/b)
	}
	if shape[0] > tensor.MaxElems/batch {
		return l.Refuse("block shape %v makes the batch too large", block)
	}
	rest := shape[m+1:]
	split, perm = append(split, product(rest)), append(append(perm, rows...), 2*m+1)
	joined = append(append([]int{shape[0] * batch}, joined...), rest...)
	emitRegroup(l, in, l.N.Out[0], q, split, perm, joined)
	return nil
}

func lowerBatchToSpace(l *graph.Lower) error {
	block, before, after, err := blocks(l, "crops")
	if err != nil {
		return err
	}
	x, m := l.In(0), len(block)
	shape, q := x.Shape, x.Quant
	batch := shape[0] / product(block)
	if batch*product(block) != shape[0] {
		return l.Refuse("block shape %v does not divide the batch %d", block, shape[0])
	}
	split, perm, joined := slices.Clone(block), []int{m}, []int{batch}
	split = append(split, batch)
	for i, b := range block {
		if shape[i+1] > tensor.MaxElems/b {
			return l.Refuse("block shape %v makes %v too large", block, shape)
		}
		split, perm, joined = append(split, shape[i+1]), append(perm, m+1+i, i), append(joined, shape[i+1]*b)
	}
	rest := shape[m+1:]
	split, perm, joined = append(split, product(rest)), append(perm, 2*m+1), append(joined, rest...)
	a := wholeSlice(joined)
	for i := range m {
		if before[i] > joined[i+1]-min(after[i], joined[i+1]) {
			return l.Refuse("crops %v and %v leave nothing of %v", before, after, joined)
		}
		a.Start[i+1] = before[i]
		a.Size[i+1] -= before[i] + after[i]
		if a.Size[i+1] < 0 {
			return l.Refuse("crops %v and %v leave nothing of %v", before, after, joined)
		}
	}
	if slices.Max(before)+slices.Max(after) == 0 {
		emitRegroup(l, l.N.In[0], l.N.Out[0], q, split, perm, joined)
		return nil
	}
	t := l.Temp("whole", q)
	emitRegroup(l, l.N.In[0], t, q, split, perm, joined)
	l.Emit("Slice", a, ids(t), l.Outs())
	return nil
}
