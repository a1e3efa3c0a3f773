"""Builds small TFLite models: tensors, operators, subgraphs."""
import flatbuffers
import ml_dtypes
import numpy as np
from ai_edge_litert import schema_py_generated as schema

TYPES = {np.dtype(k): v for k, v in {
    np.float32: schema.TensorType.FLOAT32, np.float16: schema.TensorType.FLOAT16, ml_dtypes.bfloat16: schema.TensorType.BFLOAT16,
    np.int8: schema.TensorType.INT8, np.uint8: schema.TensorType.UINT8, np.int16: schema.TensorType.INT16, np.uint16: schema.TensorType.UINT16,
    np.int32: schema.TensorType.INT32, np.uint32: schema.TensorType.UINT32, np.int64: schema.TensorType.INT64, np.uint64: schema.TensorType.UINT64,
    np.bool_: schema.TensorType.BOOL, ml_dtypes.int4: schema.TensorType.INT4}.items()}
RESOURCE = schema.TensorType.RESOURCE


class T:
    """A tensor: shape, dtype, quantization; data makes it a constant; variable makes it a state that starts with zeros.

    code overrides the tensor type (RESOURCE). signature is the shape with -1 for dynamic axes.
    """

    def __init__(self, shape, dtype, scale=None, zero=0, axis=0, data=None, variable=False, code=None, name=None, signature=None):
        self.shape, self.dtype, self.axis, self.data = tuple(shape), np.dtype(dtype), axis, data
        self.scale = None if scale is None else np.atleast_1d(np.float32(scale))
        self.zero, self.variable, self.code, self.name, self.signature = zero, variable, code, name, signature


def const(a, **kw):
    """A constant. int4 data is given as ml_dtypes.int4 and stored packed, low nibble first."""
    a = np.asarray(a)
    return T(a.shape, a.dtype, data=a, **kw)


class Op:
    """One operator. options is (union member name, {field: value}) or None; custom is (name, option bytes) instead of op."""

    def __init__(self, op, options, ins, outs, version=1, custom=None):
        self.op, self.options, self.ins, self.outs, self.version, self.custom = op, options, ins, outs, version, custom


class Graph:
    """A subgraph: its inputs and outputs in order, and its operators. Tensors are T objects; identity tells them apart."""

    def __init__(self, inputs, outputs, ops, name=""):
        self.inputs, self.outputs, self.ops, self.name = inputs, outputs, ops, name


def _bytes(t):
    if t.dtype == np.dtype(ml_dtypes.int4):
        v = t.data.astype(np.int8).ravel() & 15
        v = np.append(v, np.int8(0)) if v.size % 2 else v
        return (v[0::2] | v[1::2] << 4).astype(np.uint8).tobytes()
    return t.data.tobytes()


def build(graphs, edit=None):
    """The bytes of a model with the given subgraphs. edit changes the schema.ModelT before it is packed."""
    m = schema.ModelT()
    m.version, m.description, m.operatorCodes, m.buffers, m.subgraphs = 3, "wayside oracle", [], [schema.BufferT()], []
    codes = {}
    for graph in graphs:
        g = schema.SubGraphT()
        g.tensors, g.operators, ids = [], [], {}
        g.name = graph.name or f"g{len(m.subgraphs)}"

        def index(t):
            if t is None:
                return -1
            if id(t) in ids:
                return ids[id(t)]
            x = schema.TensorT()
            x.name, x.shape, x.buffer = t.name or f"t{len(g.tensors)}", list(t.shape), 0
            x.type = TYPES[t.dtype] if t.code is None else t.code
            x.isVariable = t.variable
            if t.signature is not None:
                x.shapeSignature = list(t.signature)
            if t.scale is not None:
                x.quantization = schema.QuantizationParametersT()
                x.quantization.scale = t.scale
                x.quantization.zeroPoint = np.broadcast_to(np.int64(t.zero), len(t.scale)).copy()
                x.quantization.quantizedDimension = t.axis
            if t.data is not None:
                b = schema.BufferT()
                b.data = np.frombuffer(_bytes(t), np.uint8)
                x.buffer = len(m.buffers)
                m.buffers.append(b)
            ids[id(t)] = len(g.tensors)
            g.tensors.append(x)
            return ids[id(t)]

        g.inputs = [index(t) for t in graph.inputs]
        for o in graph.ops:
            name = "CUSTOM:" + o.custom[0] if o.custom else o.op
            if (name, o.version) not in codes:
                c = schema.OperatorCodeT()
                c.builtinCode = getattr(schema.BuiltinOperator, "CUSTOM" if o.custom else o.op)
                c.deprecatedBuiltinCode, c.version = min(c.builtinCode, 127), o.version
                if o.custom:
                    c.customCode = o.custom[0]
                codes[name, o.version] = len(m.operatorCodes)
                m.operatorCodes.append(c)
            x = schema.OperatorT()
            x.opcodeIndex = codes[name, o.version]
            x.inputs, x.outputs = [index(t) for t in o.ins], [index(t) for t in o.outs]
            if o.custom and o.custom[1]:
                x.customOptions = np.frombuffer(o.custom[1], np.uint8)
            if o.options:
                kind, fields = o.options
                if hasattr(schema.BuiltinOptions, kind):
                    x.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
                    x.builtinOptions = union = getattr(schema, kind + "T")()
                else:
                    x.builtinOptions2Type = getattr(schema.BuiltinOptions2, kind)
                    x.builtinOptions2 = union = getattr(schema, kind + "T")()
                for k, v in fields.items():
                    setattr(union, k, v)
            g.operators.append(x)
        g.outputs = [index(t) for t in graph.outputs]
        m.subgraphs.append(g)
    if edit:
        edit(m)
    b = flatbuffers.Builder(1024)
    b.Finish(m.Pack(b), b"TFL3")
    return bytes(b.Output())
