package ops

import (
	"math"
	"slices"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels/trees"
	"wayside/kernels/vec"
)

// TreesAttr is the attribute of Trees: x[N,Features] to scores [N,Targets].
type TreesAttr struct{ Ensemble *trees.Ensemble }

func init() {
	graph.Register(graph.Op{Name: "Trees", Infer: inferTrees, Compile: compileTrees})
	ml := func(op string, min int, lower func(*graph.Lower) error, as ...string) {
		graph.RegisterForm(graph.Form{Format: graph.ONNX, Domain: "ai.onnx.ml", Op: op, Min: min, Max: 5, DTypes: "float32, int32, int64", Lower: lower}.As(as...))
	}
	ml("TreeEnsembleRegressor", 1, lowerTreeRegressor, "Trees", "Logistic", "Softmax")
	ml("TreeEnsembleClassifier", 1, lowerTreeClassifier, "Trees", "Logistic", "Softmax", "ArgMax", "Gather", "Compare", "Where", "Concat")
	ml("TreeEnsemble", 5, lowerTreeEnsemble, "Trees", "Logistic", "Softmax")
}

// treeModes are the comparisons by the names that the older operators have for them.
var treeModes = map[string]trees.Mode{
	"BRANCH_LEQ": trees.LessEqual, "BRANCH_LT": trees.Less, "BRANCH_GTE": trees.GreaterEqual, "BRANCH_GT": trees.Greater, "BRANCH_EQ": trees.Equal, "BRANCH_NEQ": trees.NotEqual,
}

// treeInput returns the input as float32 and the number of its features.
func treeInput(l *graph.Lower) (graph.ValueID, int, error) {
	x := l.In(0)
	if x == nil || len(x.Shape) == 0 || len(x.Shape) > 2 || product(x.Shape) == 0 {
		return graph.None, 0, l.Refuse("needs an input of one or two axes with elements")
	}
	in, shape := l.N.In[0], x.Shape
	if len(shape) == 1 {
		shape = tensor.Shape{1, shape[0]}
	}
	switch x.DType {
	case tensor.F32:
	case tensor.S32, tensor.S64:
		t := l.Temp("float", nil)
		l.Emit("Cast", CastAttr{To: tensor.F32}, ids(in), ids(t))
		in = t
	default:
		return graph.None, 0, l.Refuse("%s is not supported; float32, int32 and int64 are", x.DType)
	}
	if len(x.Shape) == 1 {
		t := l.Temp("row", nil)
		emitReshape(l, in, t, shape)
		in = t
	}
	return in, shape[1], nil
}

// olderTrees builds an ensemble from the attributes of TreeEnsembleRegressor (prefix target) and TreeEnsembleClassifier (prefix class): one list
// for each property of a node, and one for each of a leaf's weights.
func olderTrees(l *graph.Lower, prefix string, features, targets int) (*trees.Ensemble, error) {
	at := l.Attrs()
	ints := func(name string) []int64 { return at.Ints(-1, name) }
	tree, id, feature, yes, no := ints("nodes_treeids"), ints("nodes_nodeids"), ints("nodes_featureids"), ints("nodes_truenodeids"), ints("nodes_falsenodeids")
	missing, values, modes := ints("nodes_missing_value_tracks_true"), at.Floats(-1, "nodes_values"), attrStrings(at, "nodes_modes")
	n := len(tree)
	if n == 0 || len(id) != n || len(feature) != n || len(yes) != n || len(no) != n || len(values) != n || len(modes) != n || len(missing) != 0 && len(missing) != n {
		return nil, l.Refuse("needs lists of one length that describe the nodes")
	}
	wTree, wNode, wTarget, weights := ints(prefix+"_treeids"), ints(prefix+"_nodeids"), ints(prefix+"_ids"), at.Floats(-1, prefix+"_weights")
	if len(wNode) != len(wTree) || len(wTarget) != len(wTree) || len(weights) != len(wTree) {
		return nil, l.Refuse("needs lists of one length that describe the weights of leaves")
	}
	if at.Has(-1, "nodes_values_as_tensor") || at.Has(-1, "base_values_as_tensor") || at.Has(-1, prefix+"_weights_as_tensor") {
		return nil, l.Refuse("values in float64 are not supported; float32 are")
	}
	// A node is known by its tree and its number there; inner nodes and leaves are counted apart.
	type key struct{ tree, node int64 }
	place := make(map[key]int32, n)
	e := &trees.Ensemble{Features: features, Targets: targets, Base: slices.Clone(at.Floats(-1, "base_values"))}
	leaves := int32(0)
	for i := range tree {
		k := key{tree[i], id[i]}
		if _, ok := place[k]; ok {
			return nil, l.Refuse("tree %d has two nodes %d", k.tree, k.node)
		}
		if modes[i] == "LEAF" {
			place[k] = ^leaves
			leaves++
			continue
		}
		mode, ok := treeModes[modes[i]]
		if !ok || feature[i] < 0 || feature[i] >= int64(features) {
			return nil, l.Refuse("node %d of tree %d has the mode %q and feature %d of %d", id[i], tree[i], modes[i], feature[i], features)
		}
		place[k] = int32(len(e.Nodes))
		e.Nodes = append(e.Nodes, trees.Node{Value: values[i], Feature: int32(feature[i]), Mode: mode, Missing: len(missing) > 0 && missing[i] != 0})
	}
	child := make(map[int32]bool, n)
	for i, inner := 0, 0; i < n; i++ {
		if modes[i] == "LEAF" {
			continue
		}
		a, okA := place[key{tree[i], yes[i]}]
		b, okB := place[key{tree[i], no[i]}]
		if !okA || !okB {
			return nil, l.Refuse("node %d of tree %d leads to nodes %d and %d, which are not in the tree", id[i], tree[i], yes[i], no[i])
		}
		e.Nodes[inner].Yes, e.Nodes[inner].No = a, b
		child[a], child[b] = true, true
		inner++
	}
	begun := map[int64]bool{}
	for i := range tree {
		p := place[key{tree[i], id[i]}]
		if child[p] == !begun[tree[i]] {
			return nil, l.Refuse("tree %d does not begin with its root, or has two of them", tree[i])
		}
		if !begun[tree[i]] {
			begun[tree[i]] = true
			e.Roots = append(e.Roots, p)
		}
	}
	byLeaf := make([][]trees.Weight, leaves)
	for i := range wTree {
		p, ok := place[key{wTree[i], wNode[i]}]
		if !ok || p >= 0 || wTarget[i] < 0 || wTarget[i] >= int64(targets) {
			return nil, l.Refuse("a weight for %d of %d belongs to node %d of tree %d, which is no leaf", wTarget[i], targets, wNode[i], wTree[i])
		}
		byLeaf[^p] = append(byLeaf[^p], trees.Weight{Target: int32(wTarget[i]), Value: weights[i]})
	}
	e.Leaves = make([]int32, 1, leaves+1)
	for _, w := range byLeaf {
		e.Weights = append(e.Weights, w...)
		e.Leaves = append(e.Leaves, int32(len(e.Weights)))
	}
	return e, nil
}

// emitTrees checks an ensemble and emits it.
func emitTrees(l *graph.Lower, e *trees.Ensemble, in, out graph.ValueID) error {
	if err := e.Check(); err != nil {
		return l.Refuse("%v", err)
	}
	l.Emit("Trees", TreesAttr{e}, ids(in), ids(out))
	return nil
}

// emitPost applies the function that makes probabilities of scores.
func emitPost(l *graph.Lower, how string, in, out graph.ValueID) error {
	switch how {
	case "NONE", "":
		emitReshape(l, in, out, l.G.Values[in].Shape)
	case "LOGISTIC":
		l.Emit("Logistic", nil, ids(in), ids(out))
	case "SOFTMAX":
		l.Emit("Softmax", SoftmaxAttr{Axis: -1, Beta: 1}, ids(in), ids(out))
	default:
		return l.Refuse("post_transform %q is not supported; NONE, LOGISTIC and SOFTMAX are", how)
	}
	return nil
}

func lowerTreeRegressor(l *graph.Lower) error {
	in, features, err := treeInput(l)
	if err != nil {
		return err
	}
	targets := l.Attrs().Int(-1, "n_targets", 1)
	if targets < 1 || targets > maxList {
		return l.Refuse("%d targets; 1 to %d are supported", targets, maxList)
	}
	e, err := olderTrees(l, "target", features, int(targets))
	if err != nil {
		return err
	}
	how := l.Attrs().String(-1, "aggregate_function", "SUM")
	i := slices.Index([]string{"SUM", "AVERAGE", "MIN", "MAX"}, how)
	if i < 0 {
		return l.Refuse("aggregate_function %q is not known", how)
	}
	e.Aggregate = trees.Aggregate(i)
	t := l.Temp("scores", nil)
	if err := emitTrees(l, e, in, t); err != nil {
		return err
	}
	return emitPost(l, l.Attrs().String(-1, "post_transform", "NONE"), t, l.N.Out[0])
}

func lowerTreeClassifier(l *graph.Lower) error {
	in, features, err := treeInput(l)
	if err != nil {
		return err
	}
	if len(l.N.Out) != 2 {
		return l.Refuse("needs two outputs, labels and scores")
	}
	at := l.Attrs()
	labels := at.Ints(-1, "classlabels_int64s")
	if len(labels) == 0 {
		if l.N.Out[0] != graph.None && len(attrStrings(at, "classlabels_strings")) > 0 {
			return l.Refuse("labels that are strings are not supported; integers are")
		}
		return l.Refuse("needs integer labels")
	}
	if len(labels) < 2 || len(labels) > maxList {
		return l.Refuse("%d classes; 2 to %d are supported", len(labels), maxList)
	}
	e, err := olderTrees(l, "class", features, len(labels))
	if err != nil {
		return err
	}
	post := at.String(-1, "post_transform", "NONE")
	if len(labels) == 2 && slices.IndexFunc(e.Weights, func(w trees.Weight) bool { return w.Target != e.Weights[0].Target }) < 0 {
		return emitBinary(l, e, labels, post, in)
	}
	t := l.Temp("scores", nil)
	if err := emitTrees(l, e, in, t); err != nil {
		return err
	}
	rows := l.G.Values[t].Shape
	switch out := l.N.Out[0]; {
	case out == graph.None || len(rows) != 2:
	case len(labels) == 2: // ONNX Runtime looks at the second score alone
		if len(e.Base) > 0 {
			return l.Refuse("base values with weights for both of two classes are not supported")
		}
		emitLabel(l, labels, step(l, "Slice", SliceAttr{Start: []int{0, 1}, Step: []int{1, 1}, Size: []int{rows[0], 1}}, t), 0)
	default:
		place := step(l, "ArgMax", ArgExtremeAttr{Axis: 1, Type: tensor.S64}, t)
		l.Emit("Gather", GatherAttr{}, ids(labelList(l, labels), place), ids(out))
	}
	if out := l.N.Out[1]; out != graph.None {
		return emitPost(l, post, t, out)
	}
	return nil
}

func labelList(l *graph.Lower, labels []int64) graph.ValueID {
	t := &tensor.Tensor{DType: tensor.S64, Shape: tensor.Shape{len(labels)}, Data: tensor.Aligned(8 * len(labels))}
	copy(t.S64(), labels)
	return l.Constant("labels", t)
}

// emitBinary makes two classes of one score, as ONNX Runtime does: weights that are all positive are probabilities of the second class, others are
// scores around zero.
func emitBinary(l *graph.Lower, e *trees.Ensemble, labels []int64, post string, in graph.ValueID) error {
	positive := !slices.ContainsFunc(e.Weights, func(w trees.Weight) bool { return w.Value < 0 })
	e.Targets = 1
	for i := range e.Weights {
		e.Weights[i].Target = 0
	}
	if len(e.Base) == 2 {
		e.Base = e.Base[1:]
	}
	score := l.Temp("score", nil)
	if err := emitTrees(l, e, in, score); err != nil {
		return err
	}
	limit := float32(0)
	if positive {
		limit = 0.5
	}
	if l.N.Out[0] != graph.None && len(l.G.Values[score].Shape) > 0 {
		emitLabel(l, labels, score, limit)
	}
	if out := l.N.Out[1]; out != graph.None {
		var other graph.ValueID
		switch {
		case post == "LOGISTIC":
			other = step(l, "Logistic", nil, step(l, "Neg", nil, score))
			score = step(l, "Logistic", nil, score)
		case post != "NONE":
			return l.Refuse("post_transform %q is not supported for one score; NONE and LOGISTIC are", post)
		case positive:
			other = step(l, "Sub", BinaryAttr{}, floats(l, "one", nil, 1), score)
		default:
			other = step(l, "Neg", nil, score)
		}
		l.Emit("Concat", ConcatAttr{Axis: 1}, ids(other, score), ids(out))
	}
	return nil
}

// emitLabel gives the second label where scores [N,1] are above a limit, and else the first.
func emitLabel(l *graph.Lower, labels []int64, score graph.ValueID, limit float32) {
	above := step(l, "Compare", CompareAttr{vec.Greater}, score, floats(l, "limit", nil, limit))
	label := step(l, "Where", nil, above, labelOne(l, labels[1]), labelOne(l, labels[0]))
	if s := l.G.Values[score].Shape; len(s) > 0 {
		emitReshape(l, label, l.N.Out[0], s[:1])
	}
}

func labelOne(l *graph.Lower, v int64) graph.ValueID {
	t := &tensor.Tensor{DType: tensor.S64, Shape: tensor.Shape{1, 1}, Data: tensor.Aligned(8)}
	t.S64()[0] = v
	return l.Constant("label", t)
}

// lowerTreeEnsemble reads the form of version 5, whose lists are flat already.
func lowerTreeEnsemble(l *graph.Lower) error {
	in, features, err := treeInput(l)
	if err != nil {
		return err
	}
	at := l.Attrs()
	targets := at.Int(-1, "n_targets", 1)
	if targets < 1 || targets > maxList {
		return l.Refuse("%d targets; 1 to %d are supported", targets, maxList)
	}
	if at.Has(-1, "membership_values") {
		return l.Refuse("membership of a set is not supported; comparisons are")
	}
	splits, modes, weights := at.Tensor("nodes_splits"), at.Tensor("nodes_modes"), at.Tensor("leaf_weights")
	feature, yes, no := at.Ints(-1, "nodes_featureids"), at.Ints(-1, "nodes_truenodeids"), at.Ints(-1, "nodes_falsenodeids")
	yesLeaf, noLeaf, missing := at.Ints(-1, "nodes_trueleafs"), at.Ints(-1, "nodes_falseleafs"), at.Ints(-1, "nodes_missing_value_tracks_true")
	roots, target := at.Ints(-1, "tree_roots"), at.Ints(-1, "leaf_targetids")
	if splits == nil || modes == nil || weights == nil || splits.DType != tensor.F32 || weights.DType != tensor.F32 || modes.DType != tensor.U8 {
		return l.Refuse("needs nodes_splits and leaf_weights in float32, nodes_modes in uint8")
	}
	s, _ := splits.Tensor()
	m, _ := modes.Tensor()
	w, _ := weights.Tensor()
	n := len(feature)
	if s.Elems() != n || m.Elems() != n || len(yes) != n || len(no) != n || len(yesLeaf) != n || len(noLeaf) != n || len(missing) != 0 && len(missing) != n || w.Elems() != len(target) {
		return l.Refuse("needs lists of one length that describe the nodes, and the leaves")
	}
	e := &trees.Ensemble{Features: features, Targets: int(targets), Leaves: []int32{0}}
	end := func(i, leaf int64) int32 { // beyond what there is becomes something that the check refuses
		i = min(max(i, -1), math.MaxInt32)
		if leaf != 0 {
			return ^int32(max(i, 0))
		}
		if i < 0 {
			return math.MaxInt32
		}
		return int32(i)
	}
	for i := range n {
		if feature[i] < 0 || feature[i] >= int64(features) || m.U8()[i] > uint8(trees.NotEqual) {
			return l.Refuse("node %d asks for feature %d of %d in mode %d", i, feature[i], features, m.U8()[i])
		}
		e.Nodes = append(e.Nodes, trees.Node{Value: s.F32()[i], Feature: int32(feature[i]), Mode: trees.Mode(m.U8()[i]), Missing: len(missing) > 0 && missing[i] != 0,
			Yes: end(yes[i], yesLeaf[i]), No: end(no[i], noLeaf[i])})
	}
	for i, t := range target {
		if t < 0 || t >= targets {
			return l.Refuse("leaf %d is for target %d of %d", i, t, targets)
		}
		e.Weights = append(e.Weights, trees.Weight{Target: int32(t), Value: w.F32()[i]})
		e.Leaves = append(e.Leaves, int32(i+1))
	}
	for _, r := range roots {
		e.Roots = append(e.Roots, end(r, 0))
	}
	how := at.Int(-1, "aggregate_function", 1)
	if how < 0 || how > 3 {
		return l.Refuse("aggregate_function %d is not known", how)
	}
	e.Aggregate = []trees.Aggregate{trees.Average, trees.Sum, trees.Min, trees.Max}[how]
	post := at.Int(-1, "post_transform", 0)
	if post < 0 || post > 2 {
		return l.Refuse("post_transform %d is not supported; none (0), softmax (1) and logistic (2) are", post)
	}
	t := l.Temp("scores", nil)
	if err := emitTrees(l, e, in, t); err != nil {
		return err
	}
	return emitPost(l, []string{"NONE", "SOFTMAX", "LOGISTIC"}[post], t, l.N.Out[0])
}

func inferTrees(c *graph.InferCtx) error {
	e := c.N.Attr.(TreesAttr).Ensemble
	x, _, err := oneToOne(c)
	if err != nil {
		return err
	}
	if x.DType != tensor.F32 || len(x.Shape) != 2 || x.Shape[1] != e.Features {
		return c.Refuse("needs float32 rows of %d features", e.Features)
	}
	return c.Set(0, tensor.F32, tensor.Shape{x.Shape[0], e.Targets})
}

func compileTrees(c *graph.CompileCtx) (*graph.Kernel, error) {
	e := c.N.Attr.(TreesAttr).Ensemble
	k := &graph.Kernel{ID: "trees/f32/generic", Scratch: 4 * e.Targets}
	k.Weights = map[tensor.DType]int{tensor.F32: 4 * (len(e.Nodes) + len(e.Weights) + len(e.Base)), tensor.S32: 4 * (3*len(e.Nodes) + len(e.Weights) + len(e.Leaves) + len(e.Roots))}
	k.Work = int64(c.In(0).Shape[0]) * int64(len(e.Roots)) * 8
	k.Run = func(a *graph.Args) error {
		e.Run(a.Out[0].F32(), a.In[0].F32(), tensor.As[int32](a.Scratch, 4))
		return nil
	}
	return k, nil
}
