package ops

import "wayside/graph"

// DENSIFY makes a sparse constant dense. The reader has done it, so only a copy is left, which a pass removes.
func init() {
	graph.RegisterForm(graph.Form{Format: graph.TFLite, Op: "DENSIFY", Min: 1, Max: 1, DTypes: "constants of any type", Lower: func(l *graph.Lower) error {
		if x := l.In(0); x == nil || x.Const == nil {
			return l.Refuse("the input is computed at run time; only sparse constants are supported")
		}
		l.Emit(graph.CopyOp, nil, l.First(1), l.Outs())
		return nil
	}}.As(graph.CopyOp))
}
