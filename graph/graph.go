package graph

import (
	"slices"
	"strconv"
	"unsafe"

	"wayside/graph/tensor"
)

// Format names the source of a graph. It decides the rounding rule of integer operators for the life of the model.
type Format string

// The formats that graph/load reads.
const (
	TFLite Format = "tflite" // fixed-point requantization with double rounding, as tflite-micro's reference kernels
	ONNX   Format = "onnx"   // float scale, half to even, true division in QuantizeLinear
)

// ValueID names one value of a Graph: an index into Graph.Values. None marks an optional input that is absent.
type ValueID int32

// None is the id of an absent optional input.
const None ValueID = -1

// Value is one edge of the graph: a constant, an input, or what a node computes.
type Value struct {
	Name  string
	DType tensor.DType
	Shape tensor.Shape  // -1 for a dynamic axis until it is bound; static after passes
	Quant *tensor.Quant // nil when not quantized
	Const []byte        // the bytes of a constant, little endian, DType.Bytes(elements) long; nil otherwise.
	// Const may alias the model file: it is read-only and need not be aligned.
	Start []byte // for states: the first bytes after Reset
	Fill  byte   // for states: the bytes after Start
	// Shifted marks an int8 value that is uint8 in the file: its zero point and its bytes were moved by 128. Operators whose
	// reference treats uint8 unlike int8, or looks at the bytes themselves, ask for it.
	Shifted bool
	Late    bool   // computed from constants alone, but only by Fold: passes want to see how
	Unread  string // the file's name of an element type that the runtime lacks; DType is then Invalid
}

// Tensor returns a constant as a read-only tensor, aligned for its dtype: a view of the bytes where they are aligned, else a copy.
// It returns false for values that are not constant.
func (v *Value) Tensor() (*tensor.Tensor, bool) {
	if v.Const == nil {
		return nil, false
	}
	b := v.Const
	if size := v.DType.Bytes(1); len(b) > 0 && size > 1 && uintptr(unsafe.Pointer(unsafe.SliceData(b)))%uintptr(size) != 0 {
		b = tensor.Aligned(len(v.Const))
		copy(b, v.Const)
	}
	return &tensor.Tensor{DType: v.DType, Shape: v.Shape, Quant: v.Quant, Data: b}, true
}

// Source says where a node came from, for messages and for the lowering of its operator.
type Source struct {
	Op      string // the format's own name: CONV_2D, Conv
	Domain  string // ONNX domain; "" is the default one
	Version int    // TFLite operator version, ONNX opset of the domain
	Index   int    // position in the file
	// Inter are values that only tell the quantization of an operator's inner results (TFLite intermediates): they have no bytes.
	Inter []ValueID
	Attrs Attrs // attributes as the file has them
	// Branches are the alternatives of an ONNX If, then and else: nodes on values of the same graph, of which one list takes the node's place.
	Branches []Branch
}

// Branch is a list of source nodes and the values that they are for.
type Branch struct {
	Nodes   []Node
	Outputs []ValueID
}

// Attrs is a reader's view of one node's attributes. TFLite operators address them by slot of their options table,
// ONNX operators by name. A missing attribute gives the default. Views are bounded: no call panics on hostile input.
type Attrs interface {
	Int(slot int, name string, def int64) int64
	Float(slot int, name string, def float32) float32
	String(slot int, name string, def string) string
	Ints(slot int, name string) []int64     // nil when absent
	Floats(slot int, name string) []float32 // nil when absent
	Tensor(name string) *Value              // ONNX tensor attribute; nil when absent
	Has(slot int, name string) bool
}

// Node is one operation. Readers fill Src, In and Out; lowering sets Op and Attr, and may replace one source node by several.
type Node struct {
	Op   string // neutral operator: Conv2D, FullyConnected; "" before lowering
	Name string
	In   []ValueID // None where an optional input is absent
	Out  []ValueID
	Attr any // the operator's own attribute struct, set by lowering
	Src  Source
}

// Graph is a model as operations on values, in topological order. Neutral operators are NHWC.
type Graph struct {
	Format  Format
	Name    string
	Values  []Value
	Nodes   []Node
	Inputs  []ValueID
	Outputs []ValueID
	Meta    Meta
	// Declared are the shapes of the inputs as the file has them, -1 for open axes. Bind sets it.
	Declared []tensor.Shape
	States   []ValueID // values that keep their bytes from one Run to the next; they have no producer, nodes read and write them

	// Subgraphs are those of the file by their index, on the main graph as a reader returns it; the first is nil and stands for the main graph.
	Subgraphs []*Graph

	// Panels gives packed weights their memory, and may know them from an earlier load; nil for plain memory. Copies of subgraphs share it.
	Panels Panels

	shared    *nesting           // budgets that all graphs of one model share
	depth     int                // how many control operators stand around this graph
	variables map[string]ValueID // states that stand for named variables
	handles   map[ValueID]string // values that stand for variables: their keys
	stateSet  map[ValueID]bool   // States, for IsState
	once      map[any]any        // see Once
}

// Panels is gemm.Store: see there.
type Panels interface {
	Panel(id string, weights []byte, n int) (panel []byte, ready bool)
}

// Unsupported is one node that cannot run, with everything a user needs to mend or replace it.
type Unsupported struct {
	Node    string `json:"node"`
	Op      string `json:"op"`
	Domain  string `json:"domain"`
	Version int    `json:"version"`
	DType   string `json:"dtype"`
	Reason  string `json:"reason"` // what is missing, and the nearest supported form
}

// Activation is a function that an operator applies to its result before it stores it.
type Activation uint8

// The activations that operators can fuse.
const (
	ActNone Activation = iota
	ActRelu
	ActRelu6
	ActReluN1To1
	ActTanh
	ActRelu0To1
	ActSwish // x × LOGISTIC(x): AfterFuser alone
	ActHardSwish
)

var activationNames = [...]string{"none", "relu", "relu6", "relu_n1_to_1", "tanh", "relu_0_to_1", "swish", "hard_swish"}

// String returns the activation's name in lower case.
func (a Activation) String() string {
	if int(a) < len(activationNames) {
		return activationNames[a]
	}
	return "activation" + strconv.Itoa(int(a))
}

// ActFuser is implemented by attribute structs whose operator can clamp its own result. FuseAct returns the attributes
// with the activation, or false when one is fused already or the operator cannot do this one.
type ActFuser interface {
	FuseAct(Activation) (any, bool)
}

// Fused is implemented by attribute structs that tell which activation FuseAct gave them, or their file.
type Fused interface {
	Fused() Activation
}

// AfterFuser is implemented by attribute structs of float32 operators that can apply a function, which is not a clamp, to their results while these are
// in the cache: FuseAfter is ActFuser's FuseAct for ActSwish and ActHardSwish.
type AfterFuser interface {
	FuseAfter(Activation) (any, bool)
}

// ThenFuser is implemented by attribute structs of layers that can do what another node does, TableOp or Add, to their int8 results while these are in the cache.
// FuseThen returns the attributes with the node, whose inputs and outputs stay what they were: the other input of Add becomes the layer's input BesideIn.
type ThenFuser interface {
	FuseThen(n *Node) (any, bool)
}

// BesideIn is the input of a layer, after those of weights and bias, that a node which the layer has taken over adds to its results.
const BesideIn = 3

// Padder is implemented by attribute structs of nodes that put elements around data. Padding returns how many, before and after each axis; false where some come
// between the data.
type Padder interface {
	Padding() (before, after []int, ok bool)
}

// PadFuser is implemented by attribute structs of layers that can put zeros around their input themselves: FusePad is ActFuser's FuseAct for so many before and
// after its height and width.
type PadFuser interface {
	FusePad(before, after [2]int) (any, bool)
}

// Activator is implemented by the attribute structs of nodes that are a plain activation, so that passes can recognise them.
type Activator interface {
	Activation() Activation
}

// Rewriter is implemented by attribute structs whose node may turn out to be something simpler. Rewrite returns the nodes that take its place, inferred, and may add
// values to the graph; false leaves the node as it is.
type Rewriter interface {
	Rewrite(g *Graph, n *Node) ([]Node, bool)
}

// NewValue appends a value and returns its id. Pointers into Values that were taken before are no longer valid.
func (g *Graph) NewValue(v Value) ValueID {
	g.Values = append(g.Values, v)
	return ValueID(len(g.Values) - 1)
}

// Users returns, for every value, the indices of the nodes that read it, once per use. Graph outputs do not count.
func (g *Graph) Users() [][]int32 {
	u := make([][]int32, len(g.Values))
	for i := range g.Nodes {
		for _, v := range g.Nodes[i].In {
			if v != None {
				u[v] = append(u[v], int32(i))
			}
		}
	}
	return u
}

// Producers returns, for every value, the index of the node that computes it, or -1.
func (g *Graph) Producers() []int32 {
	p := make([]int32, len(g.Values))
	for i := range p {
		p[i] = -1
	}
	for i := range g.Nodes {
		for _, v := range g.Nodes[i].Out {
			if v != None {
				p[v] = int32(i)
			}
		}
	}
	return p
}

// IsOutput reports whether v is one of the graph's outputs.
func (g *Graph) IsOutput(v ValueID) bool { return slices.Contains(g.Outputs, v) }

// IsState reports whether v keeps its bytes from one Run to the next.
func (g *Graph) IsState(v ValueID) bool {
	if len(g.stateSet) != len(g.States) {
		g.stateSet = make(map[ValueID]bool, len(g.States))
		for _, s := range g.States {
			g.stateSet[s] = true
		}
	}
	return g.stateSet[v]
}

// Replace makes every reader of old, and every graph output that is old, use new instead.
func (g *Graph) Replace(old, new ValueID) {
	for i := range g.Nodes {
		for j, v := range g.Nodes[i].In {
			if v == old {
				g.Nodes[i].In[j] = new
			}
		}
	}
	for j, v := range g.Outputs {
		if v == old {
			g.Outputs[j] = new
		}
	}
}

// UnsupportedError lists all nodes of a model that cannot run, so that one look is enough.
type UnsupportedError struct{ Nodes []Unsupported }

// ShiftSignOp is the name of the neutral operator between uint8 and int8 data that differ by 128: one bit flips.
const ShiftSignOp = "ShiftSign"
