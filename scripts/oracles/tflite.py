#!/usr/bin/env python3
"""Writes graph/ops/testdata/tflite_cases.json.gz: one-operator TFLite models with tflite-micro's outputs.

Usage: tflite.py   (needs requirements.txt; install with pip --pre)

Each case holds the model's bytes, its inputs and the outputs of tflite-micro's reference kernels. Every model runs in a process
of its own, because a failed invoke can leave tflite-micro unusable. To add a case, call add() below.
"""
import base64
import gzip
import json
import multiprocessing
import pathlib

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

ROOT = pathlib.Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(11)
TYPES = {np.dtype(k): v for k, v in {
    np.float32: schema.TensorType.FLOAT32, np.int8: schema.TensorType.INT8, np.uint8: schema.TensorType.UINT8,
    np.int32: schema.TensorType.INT32, np.float16: schema.TensorType.FLOAT16}.items()}
CASES = []


class T:
    """A tensor: shape, dtype, quantization; data makes it a constant."""

    def __init__(self, shape, dtype, scale=None, zero=0, axis=0, data=None):
        self.shape, self.dtype, self.axis, self.data = tuple(shape), np.dtype(dtype), axis, data
        self.scale = None if scale is None else np.atleast_1d(np.float32(scale))
        self.zero = zero

    def sample(self, edge=False):
        if self.dtype == np.float32:
            a = (RNG.integers(-4096, 4096, size=self.shape) / 512).astype(np.float32)
            if edge and a.size > 4:
                a.flat[:5] = [0, -0.0, 1e-30, 7.99, -7.99]
            return a
        i = np.iinfo(self.dtype)
        a = RNG.integers(i.min, i.max + 1, size=self.shape).astype(self.dtype)
        if edge and a.size > 2:
            a.flat[:3] = [i.min, i.max, 0]
        return a


def const(a, **kw):
    a = np.asarray(a)
    return T(a.shape, a.dtype, data=a, **kw)


def build(op, options, ins, outs, version=1):
    """The bytes of a model with one operator. options is (union member name, {field: value})."""
    m = schema.ModelT()
    m.version, m.description = 3, "wayside oracle"
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, op)
    code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), version
    m.operatorCodes = [code]
    m.buffers = [schema.BufferT()]
    g = schema.SubGraphT()
    g.tensors, g.inputs, g.outputs = [], [], []
    o = schema.OperatorT()
    o.inputs, o.outputs = [], []
    for is_out, group in ((False, ins), (True, outs)):
        for t in group:
            if t is None:
                o.inputs.append(-1)
                continue
            x = schema.TensorT()
            x.name, x.shape, x.type, x.buffer = f"t{len(g.tensors)}", list(t.shape), TYPES[t.dtype], 0
            if t.scale is not None:
                x.quantization = schema.QuantizationParametersT()
                x.quantization.scale = t.scale
                x.quantization.zeroPoint = np.full(len(t.scale), t.zero, np.int64)
                x.quantization.quantizedDimension = t.axis
            if t.data is not None:
                b = schema.BufferT()
                b.data = np.frombuffer(t.data.tobytes(), np.uint8)
                x.buffer = len(m.buffers)
                m.buffers.append(b)
            elif not is_out:
                g.inputs.append(len(g.tensors))
            (o.outputs if is_out else o.inputs).append(len(g.tensors))
            if is_out:
                g.outputs.append(len(g.tensors))
            g.tensors.append(x)
    if options:
        kind, fields = options
        o.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        o.builtinOptions = getattr(schema, kind + "T")()
        for k, v in fields.items():
            setattr(o.builtinOptions, k, v)
    g.operators = [o]
    m.subgraphs = [g]
    b = flatbuffers.Builder(1024)
    b.Finish(m.Pack(b), b"TFL3")
    return bytes(b.Output())


def invoke(data, inputs, queue):
    from tflite_micro.python.tflite_micro import runtime
    it = runtime.Interpreter.from_bytes(data, arena_size=4_000_000)
    for i, a in enumerate(inputs):
        it.set_input(a, i)
    it.invoke()
    queue.put(np.array(it.get_output(0)))


def pack(a):
    return {"dtype": str(a.dtype), "shape": list(a.shape), "data": base64.b64encode(a.tobytes()).decode()}


def add(name, op, options, ins, out, version=1, samples=2):
    data = build(op, options, ins, [out], version)
    live = [t for t in ins if t is not None and t.data is None]
    runs = []
    for s in range(samples):
        inputs = [t.sample(edge=s == 0) for t in live]
        q = multiprocessing.Queue()
        p = multiprocessing.Process(target=invoke, args=(data, inputs, q))
        p.start()
        try:
            result = q.get(timeout=20)
        except Exception:
            p.terminate()
            raise SystemExit(f"{name}: tflite-micro refuses the model")
        p.join()
        runs.append({"in": [pack(a) for a in inputs], "out": pack(result.reshape(out.shape))})
    CASES.append({"name": name, "model": base64.b64encode(data).decode(), "runs": runs})


ACTS = {"none": 0, "relu": 1, "relu_n1_to_1": 2, "relu6": 3}
SAME, VALID = 0, 1


def weights(shape, channels, axis, per_channel):
    w = RNG.integers(-127, 128, size=shape).astype(np.int8)
    s = (RNG.integers(20, 200, size=channels) / 20000).astype(np.float32) if per_channel else np.float32(0.0123)
    return const(w, scale=s, axis=axis), s


def span(n, k, stride, dil, pad):
    return -(-n // stride) if pad == SAME else (n - (k - 1) * dil - 1) // stride + 1


def convolutions():
    i = 0
    for h, w, c, o, kh, kw, sh, sw, dh, dw, pad, act, pc in [
            (5, 7, 3, 5, 3, 3, 1, 1, 1, 1, SAME, "none", True), (8, 6, 4, 8, 3, 3, 2, 2, 1, 1, SAME, "relu", True),
            (9, 9, 2, 3, 3, 2, 1, 2, 2, 2, VALID, "relu6", True), (4, 4, 16, 6, 1, 1, 1, 1, 1, 1, VALID, "none", True),
            (6, 5, 1, 9, 5, 4, 2, 1, 1, 1, SAME, "none", False), (7, 7, 8, 4, 1, 1, 2, 2, 1, 1, SAME, "relu_n1_to_1", True)]:
        i += 1
        ho, wo = span(h, kh, sh, dh, pad), span(w, kw, sw, dw, pad)
        opts = {"padding": pad, "strideH": sh, "strideW": sw, "dilationHFactor": dh, "dilationWFactor": dw,
                "fusedActivationFunction": ACTS[act]}
        bias = RNG.integers(-2000, 2000, size=o).astype(np.int32)
        wt, s = weights((o, kh, kw, c), o, 0, pc)
        x = T((2, h, w, c), np.int8, 0.021, -5)
        b = const(bias, scale=np.broadcast_to(np.float32(0.021) * s, o if pc else 1).copy())
        add(f"conv_s8_{i}_{act}", "CONV_2D", ("Conv2DOptions", opts), [x, wt, b], T((2, ho, wo, o), np.int8, 0.09, 7), 3)
        fw = const((RNG.integers(-64, 65, size=(o, kh, kw, c)) / 64).astype(np.float32))
        fb = const((bias / 512).astype(np.float32))
        add(f"conv_f32_{i}_{act}", "CONV_2D", ("Conv2DOptions", opts), [T((2, h, w, c), np.float32), fw, fb], T((2, ho, wo, o), np.float32))
        for mult in (1, 3):
            d = dict(opts, depthMultiplier=mult)
            oc = c * mult
            wt, s = weights((1, kh, kw, oc), oc, 3, pc)
            b = const(RNG.integers(-2000, 2000, size=oc).astype(np.int32), scale=np.broadcast_to(np.float32(0.021) * s, oc if pc else 1).copy())
            add(f"depthwise_s8_{i}_x{mult}_{act}", "DEPTHWISE_CONV_2D", ("DepthwiseConv2DOptions", d), [x, wt, b],
                T((2, ho, wo, oc), np.int8, 0.05, -11), 3)
            fw = const((RNG.integers(-64, 65, size=(1, kh, kw, oc)) / 64).astype(np.float32))
            fb = const((RNG.integers(-64, 65, size=oc) / 64).astype(np.float32))
            add(f"depthwise_f32_{i}_x{mult}_{act}", "DEPTHWISE_CONV_2D", ("DepthwiseConv2DOptions", d),
                [T((2, h, w, c), np.float32), fw, fb], T((2, ho, wo, oc), np.float32), samples=1)
    # grouped: weights with a third of the input channels
    wt, s = weights((6, 2, 2, 2), 6, 0, True)
    add("conv_s8_grouped", "CONV_2D", ("Conv2DOptions", {"padding": SAME, "strideH": 1, "strideW": 1}),
        [T((1, 5, 5, 6), np.int8, 0.021, 3), wt, const(np.zeros(6, np.int32), scale=np.float32(0.021) * s)],
        T((1, 5, 5, 6), np.int8, 0.05, 0), 3)


def dense():
    for i, (m, k, n, act, pc, bias) in enumerate([
            (1, 64, 12, "none", False, True), (3, 33, 7, "relu", False, True), (2, 128, 10, "none", True, True),
            (4, 5, 1, "relu6", True, False), (40, 200, 64, "none", False, True)]):
        wt, s = weights((n, k), n, 0, pc)
        b = const(RNG.integers(-3000, 3000, size=n).astype(np.int32), scale=np.broadcast_to(np.float32(0.021) * s, n if pc else 1).copy())
        o = {"fusedActivationFunction": ACTS[act]}
        add(f"fully_connected_s8_{i}_{act}", "FULLY_CONNECTED", ("FullyConnectedOptions", o),
            [T((m, k), np.int8, 0.021, 17), wt, b if bias else None], T((m, n), np.int8, 0.31, -3), 4)
        fw = const((RNG.integers(-64, 65, size=(n, k)) / 64).astype(np.float32))
        fb = const((RNG.integers(-64, 65, size=n) / 64).astype(np.float32))
        add(f"fully_connected_f32_{i}_{act}", "FULLY_CONNECTED", ("FullyConnectedOptions", o),
            [T((m, k), np.float32), fw, fb if bias else None], T((m, n), np.float32), samples=1)


def pools():
    for i, (h, w, c, kh, kw, sh, sw, pad, act) in enumerate([
            (6, 6, 3, 2, 2, 2, 2, VALID, "none"), (5, 7, 4, 3, 3, 2, 2, SAME, "none"),
            (25, 5, 8, 25, 5, 25, 5, VALID, "none"), (4, 4, 2, 3, 2, 1, 1, SAME, "relu6")]):
        ho, wo = span(h, kh, sh, 1, pad), span(w, kw, sw, 1, pad)
        o = ("Pool2DOptions", {"padding": pad, "strideH": sh, "strideW": sw, "filterHeight": kh, "filterWidth": kw,
                               "fusedActivationFunction": ACTS[act]})
        for op in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
            add(f"{op.lower()}_s8_{i}", op, o, [T((2, h, w, c), np.int8, 0.05, -9)], T((2, ho, wo, c), np.int8, 0.05, -9), 2)
            add(f"{op.lower()}_f32_{i}", op, o, [T((2, h, w, c), np.float32)], T((2, ho, wo, c), np.float32), samples=1)


def elementwise():
    shapes = [((2, 3, 4, 5), (2, 3, 4, 5)), ((1, 6, 5, 7), (1, 1, 1, 7)), ((4, 1, 3), (1, 5, 3)), ((1, 1), (1, 1, 9)), ((1, 4, 4, 3), (1, 4, 4, 1))]
    for op, kind, version in (("ADD", "AddOptions", 2), ("SUB", "SubOptions", 2), ("MUL", "MulOptions", 2)):
        for i, (a, b) in enumerate(shapes):
            out = np.broadcast_shapes(a, b)
            act = list(ACTS)[i % 4]
            o = (kind, {"fusedActivationFunction": ACTS[act]})
            if op != "MUL" or len(out) > 1:
                add(f"{op.lower()}_s8_{i}_{act}", op, o, [T(a, np.int8, 0.0173, 4), T(b, np.int8, 0.0317, -21)],
                    T(out, np.int8, 0.0411, 9), version)
            add(f"{op.lower()}_f32_{i}_{act}", op, o, [T(a, np.float32), T(b, np.float32)], T(out, np.float32))
        full = T((12, 1024), np.int8, 0.0531, -128)
        add(f"{op.lower()}_s8_many", op, (kind, {}), [full, T((12, 1024), np.int8, 0.0067, 127)], T((12, 1024), np.int8, 0.0472, -30), version, samples=1)


def unary():
    n = (1, 2048)
    for s, z in ((0.05, 3), (0.0039, -128), (0.21, 100)):
        t = f"{s}_{z}"
        add(f"logistic_s8_{t}", "LOGISTIC", None, [T(n, np.int8, s, z)], T(n, np.int8, 1 / 256, -128), samples=1)
        add(f"tanh_s8_{t}", "TANH", None, [T(n, np.int8, s, z)], T(n, np.int8, 1 / 128, 0), samples=1)
        add(f"relu_s8_{t}", "RELU", None, [T(n, np.int8, s, z)], T(n, np.int8, s * 0.7, -120), 2, samples=1)
        add(f"requantize_s8_{t}", "QUANTIZE", None, [T(n, np.int8, s, z)], T(n, np.int8, 0.0471, 13), 2, samples=1)
        add(f"quantize_f32_{t}", "QUANTIZE", None, [T(n, np.float32)], T(n, np.int8, s, z), samples=1)
        add(f"dequantize_s8_{t}", "DEQUANTIZE", None, [T(n, np.int8, s, z)], T(n, np.float32), 2, samples=1)
    # exact ties: values of (k + 1/2) × scale
    add("quantize_f32_ties", "QUANTIZE", None, [T(n, np.float32)], T(n, np.int8, 1 / 256, 0), samples=1)
    add("quantize_f32_ties_wide", "QUANTIZE", None, [T(n, np.float32)], T(n, np.int8, 1 / 16, -3), samples=1)
    add("relu6_s8", "RELU6", None, [T(n, np.int8, 0.05, -20)], T(n, np.int8, 0.05, -20), 2, samples=1)
    for op in ("LOGISTIC", "TANH", "RELU", "RELU6"):
        add(f"{op.lower()}_f32", op, None, [T(n, np.float32)], T(n, np.float32), samples=1)
    for i, (shape, s, beta) in enumerate([((4, 10), 0.07, 1.0), ((1, 12), 0.3, 1.0), ((3, 1000), 0.02, 1.0), ((2, 3, 4, 5), 0.11, 2.0), ((64, 2), 0.0007, 1.0)]):
        o = ("SoftmaxOptions", {"beta": beta})
        add(f"softmax_s8_{i}", "SOFTMAX", o, [T(shape, np.int8, s, 5)], T(shape, np.int8, 1 / 256, -128), 2, samples=3)
        add(f"softmax_f32_{i}", "SOFTMAX", o, [T(shape, np.float32)], T(shape, np.float32), samples=1)


def shapes():
    for keep in (True, False):
        for i, (shape, axes) in enumerate([((2, 5, 6, 3), (1, 2)), ((1, 4, 4, 8), (3,)), ((2, 7, 5), (1,)), ((3, 4, 5, 6), (2, 1)), ((2, 9), (-1,))]):
            real = {a % len(shape) for a in axes}
            out = tuple(1 if a in real else d for a, d in enumerate(shape) if keep or a not in real)
            o = ("ReducerOptions", {"keepDims": keep})
            ax = const(np.array(axes, np.int32))
            k = "keep" if keep else "drop"
            add(f"mean_s8_{k}_{i}", "MEAN", o, [T(shape, np.int8, 0.05, -7), ax], T(out, np.int8, 0.041, 12), 2)
            add(f"mean_s8_{k}_{i}_same", "MEAN", o, [T(shape, np.int8, 0.05, -7), ax], T(out, np.int8, 0.05, -7), 2)
            add(f"mean_f32_{k}_{i}", "MEAN", o, [T(shape, np.float32), ax], T(out, np.float32), samples=1)
    for i, (shape, pads) in enumerate([((1, 3, 4, 2), ((0, 0), (1, 2), (0, 3), (0, 0))), ((2, 3, 1, 2), ((1, 0), (0, 0), (2, 2), (1, 1)))]):
        out = tuple(d + a + b for d, (a, b) in zip(shape, pads))
        p = const(np.array(pads, np.int32))
        q = dict(scale=0.05, zero=-7)
        add(f"pad_s8_{i}", "PAD", None, [T(shape, np.int8, **q), p], T(out, np.int8, **q), 2)
        add(f"pad_f32_{i}", "PAD", None, [T(shape, np.float32), p], T(out, np.float32), samples=1)
        add(f"padv2_s8_{i}", "PADV2", None, [T(shape, np.int8, **q), p, const(np.array([33], np.int8), **q)], T(out, np.int8, **q), 2)
        add(f"padv2_f32_{i}", "PADV2", None, [T(shape, np.float32), p, const(np.array([1.5], np.float32))], T(out, np.float32), samples=1)
    q = dict(scale=0.05, zero=-7)
    for axis in (0, 1, -1):
        a, b = [2, 3, 4], [2, 3, 4]
        b[axis] = 5
        out = list(a)
        out[axis] += 5
        for dt, kw in ((np.int8, q), (np.float32, {})):
            add(f"concatenation_{np.dtype(dt)}_{axis}", "CONCATENATION", ("ConcatenationOptions", {"axis": axis}),
                [T(a, dt, **kw), T(b, dt, **kw)], T(out, dt, **kw), samples=1)
    add("reshape_s8", "RESHAPE", ("ReshapeOptions", {"newShape": [2, -1]}), [T((2, 3, 4), np.int8, **q), const(np.array([2, -1], np.int32))],
        T((2, 12), np.int8, **q), samples=1)
    u = dict(scale=0.05, zero=121)
    add("quantize_u8_s8", "QUANTIZE", None, [T((1, 300), np.uint8, **u)], T((1, 300), np.int8, 0.05, -7), samples=1)
    add("quantize_u8_s8_scaled", "QUANTIZE", None, [T((1, 300), np.uint8, **u)], T((1, 300), np.int8, 0.043, -70), samples=1)
    add("quantize_s8_u8", "QUANTIZE", None, [T((1, 300), np.int8, 0.05, -7)], T((1, 300), np.uint8, 0.021, 12), samples=1)


def main():
    for f in (convolutions, dense, pools, elementwise, unary, shapes):
        f()
    path = ROOT / "graph/ops/testdata/tflite_cases.json.gz"
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as z:
        z.write(json.dumps({"cases": CASES}, separators=(",", ":")).encode())
    print(f"{len(CASES)} cases, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
