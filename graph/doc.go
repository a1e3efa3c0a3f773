// Package graph is the model runtime: the neutral intermediate representation, the registry of operators, the plan and
// the session.
//
// Holds: Graph, Op and Form registries, Build (lowering, shape inference, folding), Plan (arena, compiled steps), Session.
// Never holds: file formats, operator arithmetic, hot loops.
// May import: graph/tensor and the standard library.
// Start reading at: Graph, then Op, Build, NewPlan, Session.Run.
//
// The way of a model:
//
//	reader → Graph of source nodes → Build (lower, infer, fold) → passes → NewPlan → Session → Run
//
// # Adding an operator
//
// At most three files: graph/ops/<op>.go, its test, and the generated docs/operators.md. The operator's file registers
// everything in its init function. In outline, with an attribute struct of its own that both formats decode into:
//
//	type cropAttr struct{ border int }
//
//	func init() {
//		graph.Register(graph.Op{Name: "Crop", Infer: inferCrop, Compile: compileCrop},
//			graph.Form{Format: graph.TFLite, Op: "CROP", Max: 1, Lower: lowerCropTFLite},
//			graph.Form{Format: graph.ONNX, Op: "Crop", Min: 7, Max: 21, Lower: lowerCropONNX})
//	}
//
//	func lowerCropTFLite(l *graph.Lower) error { // options by slot
//		l.Emit("Crop", cropAttr{int(l.Attrs().Int(0, "", 0))}, l.Ins(), l.Outs())
//		return nil
//	}
//
//	func lowerCropONNX(l *graph.Lower) error { // attributes by name
//		l.Emit("Crop", cropAttr{int(l.Attrs().Int(-1, "border", 0))}, l.Ins(), l.Outs())
//		return nil
//	}
//
//	func inferCrop(c *graph.InferCtx) error { // every check of the operator is here
//		x := c.In(0)
//		if x == nil || len(x.Shape) != 2 { return c.Refuse("needs one input of rank 2") }
//		return c.Set(0, x.DType, tensor.Shape{x.Shape[0], x.Shape[1] - 2*c.N.Attr.(cropAttr).border})
//	}
//
//	func compileCrop(c *graph.CompileCtx) (*graph.Kernel, error) { // choose the kernel, pack weights, size scratch
//		return &graph.Kernel{ID: "vec.crop/any/generic", Run: func(a *graph.Args) error { ... }}, nil
//	}
package graph
