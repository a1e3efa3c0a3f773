#!/usr/bin/env python3
"""Writes graph/onnx/testdata/cases.json.gz: small ONNX models with ONNX Runtime's outputs.

Usage: onnx_cases.py [--shared DIR]   (needs requirements.txt; DIR adds goldens for the real models in it)

Each case holds the model's bytes (or the path of a shared model), its inputs and the outputs. Inputs are seeded, weights are
rounded to a few bits so that the file compresses well.
"""
import argparse
import base64
import gzip
import json
import pathlib

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = []
RNG = np.random.default_rng(7)


def rand(*shape):
    """Values that are multiples of 1/16 in -2..2: exact in bfloat16, short when compressed."""
    return (RNG.integers(-32, 33, size=shape) / 16).astype(np.float32)


def pack(name, a):
    a = np.asarray(a)
    return {"name": name, "dtype": str(a.dtype), "shape": list(a.shape), "data": base64.b64encode(a.tobytes()).decode()}


def run(data, inputs, optimize=True):
    options = ort.SessionOptions()
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    return list(zip(names, session.run(None, {k: np.asarray(v) for k, v in inputs.items()})))


def bf16(name, a):
    return helper.make_tensor(name, TensorProto.BFLOAT16, a.shape, a.astype(ml_dtypes.bfloat16).tobytes(), raw=True)


def model(nodes, inputs, consts, outputs, opset, bf16_consts=(), shapes=None):
    """A model whose inputs are arrays; outputs are names. Names in bf16_consts are stored as bfloat16 behind a Cast."""
    inits, head = [], []
    for k, v in consts.items():
        if k in bf16_consts:
            inits.append(bf16(k + "_bf16", v))
            head.append(helper.make_node("Cast", [k + "_bf16"], [k], to=TensorProto.FLOAT))
        else:
            inits.append(numpy_helper.from_array(np.asarray(v), k))
    dtype = lambda a: helper.np_dtype_to_tensor_dtype(np.asarray(a).dtype)
    infos = [helper.make_tensor_value_info(k, dtype(v), (shapes or {}).get(k, np.asarray(v).shape)) for k, v in inputs.items()]
    outs = [helper.make_tensor_value_info(o, t, None) for o, t in outputs]
    graph = helper.make_graph(head + nodes, "case", infos, outs, inits)
    ir = 7 if opset < 17 else 8 if opset < 19 else 10
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)


def case(name, nodes, inputs, consts=None, outputs=(("y", TensorProto.FLOAT),), opset=13, **kw):
    data = model(nodes, inputs, consts or {}, outputs, opset, **kw).SerializeToString()
    CASES.append({"name": name, "model": base64.b64encode(data).decode(), "inputs": [pack(k, v) for k, v in inputs.items()],
                  "outputs": [pack(k, v) for k, v in run(data, inputs)]})


def one(name, op, inputs, consts=None, opset=13, extra=(), **attrs):
    """One node; its inputs are those of the model and then the constants, in order; '' in extra skips one."""
    names = list(extra) if extra else list(inputs) + list(consts or {})
    case(name, [helper.make_node(op, names, ["y"], **attrs)], inputs, consts, opset=opset)


def i64(*v):
    return np.array(v, dtype=np.int64)


def conv():
    x, w, b = rand(1, 3, 9, 7), rand(4, 3, 3, 3), rand(4)
    one("conv/plain", "Conv", {"x": x}, {"w": w, "b": b})
    one("conv/no-bias-pads-strides", "Conv", {"x": x}, {"w": w}, pads=[1, 0, 2, 1], strides=[2, 1])
    one("conv/dilations", "Conv", {"x": x}, {"w": w, "b": b}, dilations=[2, 2], pads=[2, 2, 2, 2], kernel_shape=[3, 3])
    for auto in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        one("conv/" + auto.lower(), "Conv", {"x": x}, {"w": rand(2, 3, 2, 4), "b": rand(2)}, auto_pad=auto, strides=[2, 2])
    one("conv/batch", "Conv", {"x": rand(2, 2, 5, 5)}, {"w": rand(3, 2, 3, 3)}, opset=7)
    one("conv/1x1-opset22", "Conv", {"x": x}, {"w": rand(5, 3, 1, 1), "b": rand(5)}, opset=22)
    one("conv/depthwise", "Conv", {"x": x}, {"w": rand(3, 1, 3, 3), "b": rand(3)}, group=3, pads=[1, 1, 1, 1])
    one("conv/depthwise-multiplier", "Conv", {"x": x}, {"w": rand(6, 1, 3, 3), "b": rand(6)}, group=3, strides=[2, 2])
    one("conv/groups", "Conv", {"x": rand(1, 4, 6, 6)}, {"w": rand(6, 2, 3, 3), "b": rand(6)}, group=2, pads=[1, 1, 1, 1])
    one("conv/1d", "Conv", {"x": rand(1, 4, 17)}, {"w": rand(3, 4, 5), "b": rand(3)}, pads=[2, 2], strides=[2])
    one("conv/1d-dilated-depthwise", "Conv", {"x": rand(1, 4, 17)}, {"w": rand(4, 1, 3), "b": rand(4)}, group=4, dilations=[3], pads=[6, 0])
    one("conv/computed", "Conv", {"x": x, "w": w, "b": b}, pads=[1, 1, 1, 1])
    one("conv/computed-depthwise", "Conv", {"x": x, "w": rand(3, 1, 3, 3)}, group=3)
    one("conv/computed-bias", "Conv", {"x": x, "b": b}, {"w": w}, extra=["x", "w", "b"])
    case("conv/bfloat16", [helper.make_node("Conv", ["x", "w", "b"], ["y"])], {"x": x}, {"w": w, "b": b}, bf16_consts=("w", "b"))


def pool():
    x = rand(1, 3, 9, 7)
    one("maxpool/plain", "MaxPool", {"x": x}, opset=12, kernel_shape=[2, 2], strides=[2, 2])
    one("maxpool/pads", "MaxPool", {"x": x}, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    one("maxpool/ceil", "MaxPool", {"x": x}, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
    one("maxpool/same", "MaxPool", {"x": x}, kernel_shape=[3, 2], strides=[2, 2], auto_pad="SAME_UPPER")
    one("maxpool/1d", "MaxPool", {"x": rand(1, 2, 11)}, kernel_shape=[3], strides=[2])
    one("averagepool/plain", "AveragePool", {"x": x}, opset=7, kernel_shape=[3, 2])
    one("averagepool/pads-excluded", "AveragePool", {"x": x}, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    one("averagepool/pads-included", "AveragePool", {"x": x}, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1)
    one("averagepool/ceil", "AveragePool", {"x": x}, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1, opset=19)
    one("averagepool/same-lower", "AveragePool", {"x": x}, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER")
    one("averagepool/1d", "AveragePool", {"x": rand(1, 2, 11)}, kernel_shape=[4], strides=[3], pads=[1, 1])
    for op in ("GlobalAveragePool", "GlobalMaxPool"):
        one(op.lower() + "/2d", op, {"x": x})
        one(op.lower() + "/1d", op, {"x": rand(1, 3, 8)})


def dense():
    a, w = rand(3, 5), rand(5, 4)
    one("gemm/plain", "Gemm", {"a": a}, {"b": w, "c": rand(4)})
    one("gemm/trans-b", "Gemm", {"a": a}, {"b": rand(4, 5), "c": rand(1, 4)}, transB=1, opset=9)
    one("gemm/trans-a-alpha-beta", "Gemm", {"a": rand(5, 3)}, {"b": w, "c": rand(3, 4)}, transA=1, alpha=0.5, beta=2.0)
    one("gemm/scalar-c", "Gemm", {"a": a}, {"b": w, "c": np.float32(1.5)}, beta=0.25)
    one("gemm/column-c", "Gemm", {"a": a}, {"b": w, "c": rand(3, 1)})
    one("gemm/no-c", "Gemm", {"a": a}, {"b": w}, alpha=2.0)
    one("gemm/computed", "Gemm", {"a": a, "b": rand(4, 5), "c": rand(4)}, transB=1, alpha=0.5)
    one("gemm/computed-no-c", "Gemm", {"a": a, "b": rand(5, 4)})
    node = helper.make_node("Gemm", ["a", "b", "c"], ["y"], transB=1)
    case("gemm/bfloat16", [node], {"a": a}, {"b": rand(4, 5), "c": rand(4)}, bf16_consts=("b",))
    case("gemm/bfloat16-no-trans", [helper.make_node("Gemm", ["a", "b"], ["y"], alpha=0.5)], {"a": a}, {"b": w}, bf16_consts=("b",))
    one("matmul/weights", "MatMul", {"a": rand(2, 3, 5)}, {"b": w})
    one("matmul/computed", "MatMul", {"a": a, "b": w}, opset=9)
    one("matmul/batch", "MatMul", {"a": rand(2, 3, 4, 5), "b": rand(2, 3, 5, 2)})
    one("matmul/broadcast", "MatMul", {"a": rand(2, 1, 4, 5), "b": rand(3, 5, 2)})
    one("matmul/batched-weights", "MatMul", {"a": rand(4, 5)}, {"b": rand(3, 5, 2)})
    one("matmul/vector-matrix", "MatMul", {"a": rand(5), "b": w})
    one("matmul/matrix-vector", "MatMul", {"a": a, "b": rand(5)})
    one("matmul/vector-weights", "MatMul", {"a": rand(5)}, {"b": w})
    one("matmul/dot", "MatMul", {"a": rand(5), "b": rand(5)})
    case("matmul/bfloat16", [helper.make_node("MatMul", ["a", "b"], ["y"])], {"a": rand(2, 3, 5)}, {"b": w}, bf16_consts=("b",))


def elementwise():
    for op in ("Add", "Sub", "Mul", "Div"):
        one(op.lower() + "/same", op, {"a": rand(2, 3), "b": rand(2, 3) + 3})
        one(op.lower() + "/broadcast", op, {"a": rand(2, 1, 4), "b": rand(3, 1) + 3}, opset=7)
        one(op.lower() + "/scalar-first", op, {"a": np.float32(1.5), "b": rand(2, 3) + 3}, opset=14)
        one(op.lower() + "/constant", op, {"a": rand(1, 4, 3, 2)}, {"b": rand(4, 1, 1) + 3})
    x = rand(3, 7) * 4
    for op, kw in (("Relu", {}), ("Sigmoid", {}), ("Tanh", {}), ("LeakyRelu", {}), ("LeakyRelu", {"alpha": 0.3}), ("Sqrt", {})):
        one(op.lower() + "".join(f"/{k}" for k in kw), op, {"x": np.abs(x) if op == "Sqrt" else x}, opset=13, **kw)
    one("clip/attributes", "Clip", {"x": x}, opset=6, min=-1.0, max=2.5)
    one("clip/inputs", "Clip", {"x": x}, {"lo": np.float32(-1), "hi": np.float32(2.5)})
    one("clip/relu6", "Clip", {"x": x}, {"lo": np.float32(0), "hi": np.float32(6)})
    one("clip/only-max", "Clip", {"x": x}, {"hi": np.float32(1)}, extra=["x", "", "hi"])
    for axis, opset in ((-1, 13), (1, 13), (0, 13), (1, 11), (2, 11), (0, 7)):
        one(f"softmax/axis{axis}-opset{opset}", "Softmax", {"x": rand(2, 3, 4)}, opset=opset, axis=axis)
    one("softmax/default-opset11", "Softmax", {"x": rand(2, 3, 4)}, opset=11)
    one("softmax/default-opset13", "Softmax", {"x": rand(2, 3, 4)}, opset=13)
    case("dropout", [helper.make_node("Dropout", ["x"], ["t"]), helper.make_node("Relu", ["t"], ["y"])], {"x": x}, opset=12)
    case("identity", [helper.make_node("Identity", ["x"], ["t"]), helper.make_node("Identity", ["t"], ["y"])], {"x": x})


def normalization():
    x = rand(2, 3, 4)
    one("layernorm/last", "LayerNormalization", {"x": x}, {"s": rand(4), "b": rand(4)}, opset=17)
    one("layernorm/axis1-no-bias", "LayerNormalization", {"x": x}, {"s": rand(3, 4)}, opset=17, axis=1, epsilon=1e-3)
    bn = {"s": rand(3), "b": rand(3), "m": rand(3), "v": np.abs(rand(3)) + 0.5}
    one("batchnorm/rank3", "BatchNormalization", {"x": x}, bn, opset=9)
    one("batchnorm/rank2", "BatchNormalization", {"x": rand(4, 3)}, bn, opset=15)
    nodes = [helper.make_node("Conv", ["x", "w", "c"], ["t"]), helper.make_node("BatchNormalization", ["t", "s", "b", "m", "v"], ["u"], epsilon=1e-3),
             helper.make_node("Relu", ["u"], ["y"])]
    case("batchnorm/after-conv", nodes, {"x": rand(1, 2, 6, 5)}, {"w": rand(3, 2, 3, 3), "c": rand(3), **bn})
    nodes[0] = helper.make_node("Conv", ["x", "w"], ["t"], group=3)
    case("batchnorm/after-depthwise", nodes, {"x": rand(1, 3, 6, 5)}, {"w": rand(3, 1, 3, 3), **bn})


def movement():
    x = rand(2, 3, 4)
    one("reshape/rest", "Reshape", {"x": x}, {"s": i64(4, -1)})
    one("reshape/zero", "Reshape", {"x": x}, {"s": i64(0, 12)}, opset=14)
    one("flatten/default", "Flatten", {"x": x})
    one("flatten/axis0", "Flatten", {"x": x}, axis=0)
    one("flatten/negative", "Flatten", {"x": x}, axis=-1)
    one("transpose/default", "Transpose", {"x": x})
    one("transpose/perm", "Transpose", {"x": rand(2, 3, 4, 5)}, perm=[0, 3, 1, 2])
    one("concat/axis1", "Concat", {"a": x, "b": rand(2, 2, 4)}, axis=1)
    one("concat/negative", "Concat", {"a": x, "b": rand(2, 3, 1)}, {"c": rand(2, 3, 2)}, axis=-1)
    y = rand(2, 1, 3, 1)
    one("squeeze/attribute", "Squeeze", {"x": y}, opset=11, axes=[1, -1])
    one("squeeze/input", "Squeeze", {"x": y}, {"axes": i64(1)})
    one("squeeze/all", "Squeeze", {"x": y})
    one("unsqueeze/attribute", "Unsqueeze", {"x": x}, opset=11, axes=[0, 4])
    one("unsqueeze/input", "Unsqueeze", {"x": x}, {"axes": i64(-1, 1)})
    one("reducemean/attribute", "ReduceMean", {"x": x}, opset=11, axes=[1], keepdims=0)
    one("reducemean/input", "ReduceMean", {"x": x}, {"axes": i64(-1, 0)}, opset=18)
    one("reducemean/all", "ReduceMean", {"x": x}, keepdims=0)
    one("slice/attributes", "Slice", {"x": x}, opset=9, starts=[0, 1], ends=[2, -1], axes=[0, 2])
    one("slice/inputs", "Slice", {"x": x}, {"s": i64(3, 2), "e": i64(-100, 1000), "a": i64(2, 1), "t": i64(-2, 1)})
    one("slice/start-before-first", "Slice", {"x": x}, {"s": i64(-9), "e": i64(-10), "a": i64(2), "t": i64(-1)})
    one("gather/axis1", "Gather", {"x": x}, {"i": i64(2, 0, -1)}, axis=1)
    one("gather/scalar", "Gather", {"x": x}, {"i": np.int64(1)}, axis=0)
    case("gather/computed", [helper.make_node("Gather", ["x", "i"], ["y"], axis=2)], {"x": x, "i": i64(3, 0)})
    one("pad/attribute", "Pad", {"x": x}, opset=10, pads=[0, 1, 0, 1, 0, 2], value=1.5)
    one("pad/input", "Pad", {"x": x}, {"p": i64(1, 0, 0, 0, 2, 1), "v": np.float32(-1)})
    one("pad/no-value", "Pad", {"x": x}, {"p": i64(0, 0, 1, 0, 0, 1)})
    one("pad/axes", "Pad", {"x": x}, {"p": i64(1, 2), "v": np.float32(3), "a": i64(-1)}, opset=18)
    one("expand", "Expand", {"x": rand(3, 1)}, {"s": i64(2, 1, 4)})
    case("split/equal", [helper.make_node("Split", ["x"], ["a", "b"], axis=2), helper.make_node("Sub", ["a", "b"], ["y"])], {"x": x})
    case("split/input", [helper.make_node("Split", ["x", "s"], ["a", "y"], axis=2)], {"x": x}, {"s": i64(1, 3)})
    case("cast/int", [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.INT32)], {"x": x * 3}, outputs=(("y", TensorProto.INT32),))
    case("cast/float", [helper.make_node("Cast", ["x"], ["t"], to=TensorProto.FLOAT), helper.make_node("Mul", ["t", "c"], ["y"])], {"x": i64(1, -2, 3)}, {"c": np.float32(0.5)})
    case("cast/float16-weights", [helper.make_node("Cast", ["w"], ["t"], to=TensorProto.FLOAT), helper.make_node("MatMul", ["x", "t"], ["y"])],
         {"x": rand(2, 4)}, {"w": rand(4, 3).astype(np.float16)})
    case("cast/bfloat16-elementwise", [helper.make_node("Add", ["x", "w"], ["y"])], {"x": rand(2, 4)}, {"w": rand(4)}, bf16_consts=("w",))
    fold = [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Gather", ["s", "zero"], ["n"]), helper.make_node("Unsqueeze", ["n", "axis"], ["n1"]),
            helper.make_node("Mul", ["n1", "three"], ["n3"]), helper.make_node("Concat", ["n3", "rest"], ["to"], axis=0), helper.make_node("Reshape", ["x", "to"], ["y"])]
    case("fold/shape-chain", fold, {"x": x}, {"zero": np.int64(0), "axis": i64(0), "three": i64(3), "rest": i64(-1)})
    case("fold/dynamic-batch", fold, {"x": x[:1]}, {"zero": np.int64(0), "axis": i64(0), "three": i64(3), "rest": i64(-1)}, shapes={"x": ["batch", 3, 4]})
    case("fold/constant-of-shape", [helper.make_node("Shape", ["x"], ["s"]), helper.make_node("ConstantOfShape", ["s"], ["c"], value=helper.make_tensor("v", TensorProto.FLOAT, [1], [2.5])),
                                    helper.make_node("Add", ["x", "c"], ["y"])], {"x": x})


def network():
    nodes = [helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], pads=[1, 1, 1, 1]), helper.make_node("Relu", ["c1"], ["r1"]),
             helper.make_node("Conv", ["r1", "w2"], ["c2"], pads=[1, 1, 1, 1]), helper.make_node("Add", ["c2", "b2"], ["a2"]),
             helper.make_node("Add", ["a2", "r1"], ["sum"]), helper.make_node("Clip", ["sum", "lo", "hi"], ["r2"]),
             helper.make_node("GlobalAveragePool", ["r2"], ["p"]), helper.make_node("Sigmoid", ["p"], ["g"]), helper.make_node("Mul", ["r2", "g"], ["gated"]),
             helper.make_node("Concat", ["gated", "r1"], ["cat"], axis=1), helper.make_node("Pad", ["cat", "pads"], ["padded"]),
             helper.make_node("MaxPool", ["padded"], ["pool"], kernel_shape=[2, 2], strides=[2, 2]), helper.make_node("Flatten", ["pool"], ["flat"]),
             helper.make_node("Gemm", ["flat", "w3", "b3"], ["y"])]
    case("network/residual", nodes, {"x": rand(1, 3, 6, 6)},
         {"w1": rand(4, 3, 3, 3) / 4, "b1": rand(4), "w2": rand(4, 4, 3, 3) / 4, "b2": rand(4, 1, 1), "lo": np.float32(-1), "hi": np.float32(3),
          "pads": i64(0, 0, 1, 1, 0, 0, 1, 1), "w3": rand(128, 5) / 8, "b3": rand(5)})
    nodes = [helper.make_node("Conv", ["x", "w1"], ["c1"], pads=[1, 1]), helper.make_node("LeakyRelu", ["c1"], ["r1"]), helper.make_node("Conv", ["r1", "w2"], ["y"])]
    case("network/1d", nodes, {"x": rand(1, 3, 12)}, {"w1": rand(4, 3, 3), "w2": rand(2, 4, 3)})


def recurrent():
    steps, batch, size, hidden = 4, 2, 3, 5
    for op, gates in (("GRU", 3), ("LSTM", 4)):
        def weights(d, peep=False):
            w = {"w": rand(d, gates * hidden, size) / 2, "r": rand(d, gates * hidden, hidden) / 2, "b": rand(d, 2 * gates * hidden) / 2}
            return {**w, "p": rand(d, 3 * hidden)} if peep else w

        def rnn(name, inputs, consts, ins, outs=("y", "yh", "yc"), opset=14, bf=(), **kw):
            outs = outs[: 3 if op == "LSTM" else 2]
            node = helper.make_node(op, ins, list(outs), hidden_size=hidden, **kw)
            case(f"{op.lower()}/{name}", [node], inputs, consts, tuple((o, TensorProto.FLOAT) for o in outs if o), opset, bf16_consts=bf)

        x = rand(steps, batch, size)
        for direction in ("forward", "reverse", "bidirectional"):
            d = 2 if direction == "bidirectional" else 1
            for lbr in (0, 1) if op == "GRU" else (None,):
                kw = {"direction": direction, **({} if lbr is None else {"linear_before_reset": lbr})}
                rnn(f"{direction}{'' if lbr is None else lbr}", {"x": x}, weights(d), ["x", "w", "r", "b"], **kw)
        h0, c0 = rand(1, batch, hidden) / 2, rand(1, batch, hidden)
        state = {"h0": h0, **({"c0": c0} if op == "LSTM" else {})}
        rnn("initial", {"x": x, **state}, weights(1), ["x", "w", "r", "b", "", *state], opset=7)
        rnn("no-bias-one-output", {"x": x}, weights(1), ["x", "w", "r"], outs=("", "yh"))
        rnn("full-lengths", {"x": x}, {**weights(1), "n": np.full(batch, steps, np.int32)}, ["x", "w", "r", "b", "n"], opset=22)
        rnn("clip", {"x": x * 4}, weights(1), ["x", "w", "r", "b"], clip=0.5)
        acts = ["Sigmoid", "Relu"] if op == "GRU" else ["Sigmoid", "Relu", "Tanh"]
        rnn("activations", {"x": x}, weights(1), ["x", "w", "r", "b"], activations=acts)
        rnn("computed-weights", {"x": x, **weights(1)}, {}, ["x", "w", "r", "b"])
        rnn("bfloat16", {"x": x}, weights(1), ["x", "w", "r", "b"], bf=("w", "r"))
        rnn("bfloat16-bidirectional", {"x": x}, weights(2), ["x", "w", "r", "b"], bf=("w", "r", "b"), direction="bidirectional")
    w = {"w": rand(1, 20, size), "r": rand(1, 20, hidden), "b": rand(1, 40), "p": rand(1, 15)}
    node = helper.make_node("LSTM", ["x", "w", "r", "b", "", "", "", "p"], ["y", "yh", "yc"], hidden_size=hidden)
    case("lstm/peepholes", [node], {"x": rand(steps, batch, size)}, w, (("y", 1), ("yh", 1), ("yc", 1)), 14)


class Quantized:
    """Builds a network in the quantized form: every operator between DequantizeLinear and QuantizeLinear."""

    def __init__(self, opset=13, dtype=np.int8):
        self.opset, self.dtype, self.nodes, self.consts, self.inputs = opset, dtype, [], {}, {}

    def linear(self, op, x, scale, zero, dtype, axis=None):
        out = f"v{len(self.nodes)}"
        self.consts[out + "_s"], self.consts[out + "_z"] = np.asarray(scale, np.float32), np.asarray(zero, dtype)
        self.nodes.append(helper.make_node(op, [x, out + "_s", out + "_z"], [out], **({} if axis is None else {"axis": axis})))
        return out

    def qdq(self, x, scale, zero=0):
        """x rounded to integers and back; zero is that of int8."""
        zero = zero + 128 if self.dtype == np.uint8 else zero
        q = self.linear("QuantizeLinear", x, scale, zero, self.dtype)
        self.last = q
        return self.linear("DequantizeLinear", q, scale, zero, self.dtype)

    def input(self, x, scale, zero=0):
        name = f"x{len(self.inputs)}"
        self.inputs[name] = x
        return self.qdq(name, scale, zero)

    def weights(self, shape, scale, axis=None, dtype=np.int8, zero=0):
        """Constant integers behind DequantizeLinear; one scale per index of axis, or one."""
        w = RNG.integers(-127, 128, size=shape).astype(np.int8) if dtype == np.int8 else RNG.integers(0, 256, size=shape).astype(np.uint8)
        name = f"w{len(self.consts)}"
        self.consts[name] = w
        if axis is None:
            return self.linear("DequantizeLinear", name, scale, zero, dtype)
        n = shape[axis]
        scales = (scale * (1 + RNG.integers(0, 64, size=n) / 64)).astype(np.float32)
        return self.linear("DequantizeLinear", name, scales, np.full(n, zero), dtype, axis)

    def bias(self, n, scale):
        name = f"b{len(self.consts)}"
        self.consts[name] = RNG.integers(-3000, 3000, size=n).astype(np.int32)
        return self.linear("DequantizeLinear", name, scale, 0, np.int32)

    def op(self, op, *ins, **attrs):
        out = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(ins), [out], **attrs))
        return out

    def const(self, a):
        name = f"c{len(self.consts)}"
        self.consts[name] = np.asarray(a)
        return name

    def case(self, name, off=1):
        """The integers of the last qdq are the output: they may be off by so many steps from what the file says in float32."""
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        self.nodes[-2 if self.nodes[-1].op_type == "DequantizeLinear" else -1].output[0] = "y"
        if self.nodes[-1].op_type == "DequantizeLinear":
            self.nodes.pop()
        data = model(self.nodes, self.inputs, self.consts, [("y", kind)], self.opset).SerializeToString()
        CASES.append({"name": "quantized/" + name, "model": base64.b64encode(data).decode(), "inputs": [pack(k, v) for k, v in self.inputs.items()],
                      "outputs": [pack(k, v) for k, v in run(data, self.inputs, optimize=False)], "off": off})


def linear():
    """QuantizeLinear and DequantizeLinear alone: exact."""
    x = np.concatenate([rand(4, 30) * 4, (RNG.integers(-700, 700, (4, 30)) / 8).astype(np.float32)], axis=1)
    x[0, :4] = [1e9, -1e9, np.inf, -np.inf]
    x = x.reshape(1, 4, 6, 10)
    for dtype, zero in ((np.int8, -5), (np.uint8, 3), (np.int8, 127), (np.uint8, 255), (np.int8, -128)):
        name = np.dtype(dtype).name
        for opset in (10, 13, 19, 21, 23, 24):
            if opset in (10, 24) or zero in (-5, 3):
                kind = (("y", helper.np_dtype_to_tensor_dtype(np.dtype(dtype))),)
                case(f"quantizelinear/{name}-{zero}-opset{opset}", [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])], {"x": x},
                     {"s": np.float32(0.25), "z": dtype(zero)}, kind, opset)
                q = np.arange(0, 256).astype(np.uint8).view(dtype).reshape(1, 4, 64)
                case(f"dequantizelinear/{name}-{zero}-opset{opset}", [helper.make_node("DequantizeLinear", ["x", "s", "z"], ["y"])], {"x": q},
                     {"s": np.float32(0.0173), "z": dtype(zero)}, opset=opset)
        scales, zeros = np.array([0.25, 0.1, 1, 0.03], np.float32), np.array([0, 3, 7, 100]).astype(dtype)
        for axis in (1, -3):
            case(f"quantizelinear/{name}-{zero}-axis{axis}", [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"], axis=axis)], {"x": x},
                 {"s": scales, "z": zeros}, kind)
            case(f"dequantizelinear/{name}-{zero}-axis{axis}", [helper.make_node("DequantizeLinear", ["x", "s", "z"], ["y"], axis=axis)], {"x": q.reshape(1, 4, 8, 8)},
                 {"s": scales, "z": zeros})
    case("quantizelinear/no-zero", [helper.make_node("QuantizeLinear", ["x", "s"], ["y"])], {"x": x}, {"s": np.float32(0.7)}, (("y", TensorProto.UINT8),))
    case("quantizelinear/output-dtype", [helper.make_node("QuantizeLinear", ["x", "s"], ["y"], output_dtype=TensorProto.INT8)], {"x": x}, {"s": np.float32(0.7)},
         (("y", TensorProto.INT8),), 21)
    case("dequantizelinear/no-zero", [helper.make_node("DequantizeLinear", ["x", "s"], ["y"])], {"x": q}, {"s": np.float32(0.7)})
    case("dequantizelinear/int32", [helper.make_node("DequantizeLinear", ["x", "s"], ["y"])], {"x": np.array([1, -2, 1 << 24, 123456789], np.int32)}, {"s": np.float32(0.7)})
    case("dequantizelinear/int32-axis", [helper.make_node("DequantizeLinear", ["x", "s"], ["y"], axis=0)], {"x": RNG.integers(-9999, 9999, (3, 2)).astype(np.int32)},
         {"s": np.array([0.5, 0.7, 0.01], np.float32)})


def quantized():
    for dtype in (np.int8, np.uint8):
        tail = "" if dtype == np.int8 else "-uint8"
        for name, shape, w, kw in (("conv", (1, 5, 9, 8), (7, 5, 3, 3), {"pads": [1, 1, 1, 1]}), ("pointwise", (1, 24, 7, 5), (40, 24, 1, 1), {}),
                                   ("depthwise", (1, 20, 9, 8), (20, 1, 3, 3), {"group": 20, "strides": [2, 2], "pads": [0, 0, 1, 1]}),
                                   ("groups", (1, 6, 6, 6), (8, 3, 3, 3), {"group": 2}), ("conv-winograd", (1, 32, 10, 10), (32, 32, 3, 3), {"pads": [1, 1, 1, 1]}),
                                   ("conv1d", (1, 8, 33), (12, 8, 3), {"dilations": [2], "pads": [4, 0]})):
            taps = float(np.prod(w[1:]))
            for per in (None, 0):
                g = Quantized(dtype=dtype)
                x = g.input(rand(*shape), 2 / 127, 4)
                k = g.weights(w, 0.01, per)
                y = g.op("Conv", x, k, g.bias(w[0], 2 / 127 * 0.01), **kw)
                g.qdq(g.op("Relu", y) if per is None else y, 0.01 * taps**0.5 / 30 * 2, -12)
                g.case(f"{name}{tail}{'' if per is None else '-channels'}")
        g = Quantized(dtype=dtype)
        x = g.input(rand(1, 8, 6, 6), 2 / 127, -30)
        g.qdq(g.op("Conv", x, g.weights((4, 8, 3, 3), 0.01, dtype=np.uint8, zero=119), g.const(rand(4))), 0.05, 1)
        g.case("conv-weights-with-zero" + tail)
        for trans in (0, 1):
            for per in (None, 1 - trans):
                g = Quantized(dtype=dtype)
                y = g.op("Gemm", g.input(rand(3, 40), 2 / 127, 9), g.weights((40, 24) if not trans else (24, 40), 0.01, per), g.bias(24, 2 / 127 * 0.01), transB=trans)
                g.qdq(y, 0.06, 3)
                g.case(f"gemm-trans{trans}{tail}{'' if per is None else '-channels'}")
        g = Quantized(dtype=dtype)
        g.qdq(g.op("MatMul", g.input(rand(2, 5, 40), 2 / 127, 9), g.weights((40, 24), 0.01, 1)), 0.06, 3)
        g.case("matmul-weights" + tail)
        g = Quantized(dtype=dtype)
        g.qdq(g.op("MatMul", g.input(rand(2, 5, 40), 2 / 127, 9), g.input(rand(2, 40, 7), 2 / 100, -3)), 0.1, 3)
        g.case("matmul-computed" + tail)
        for op in ("Add", "Sub", "Mul"):
            for name, b in (("same", (1, 4, 5, 6)), ("channels", (1, 4, 1, 1)), ("last", (6,))):
                g = Quantized(dtype=dtype)
                x = g.input(rand(1, 4, 5, 6), 2 / 127, 9)
                g.qdq(g.op(op, x, g.input(rand(*b), 2 / 100, -9)), 0.035, 7)
                g.case(f"{op.lower()}-{name}{tail}")
                g = Quantized(dtype=dtype)
                x = g.input(rand(1, 4, 5, 6), 2 / 127, 9)
                g.qdq(g.op("Relu", g.op(op, x, g.weights(b, 0.02))), 0.035, -128)
                g.case(f"{op.lower()}-{name}-constant{tail}")
        for op in ("Sigmoid", "Tanh", "Relu", "Sqrt", "LeakyRelu"):
            g = Quantized(dtype=dtype)
            g.qdq(g.op(op, g.input(abs(rand(3, 50)) if op == "Sqrt" else rand(3, 50) * 3, 6 / 127, -128 if op == "Sqrt" else 3)), 1 / 120, -20)
            g.case(op.lower() + tail, off=0)
        g = Quantized(dtype=dtype)
        x = g.input(rand(1, 4, 5, 6) * 3, 6 / 127, 3)
        y = g.qdq(g.op("Mul", x, g.qdq(g.op("Sigmoid", x), 1 / 256, -128)), 0.05, -100)
        g.qdq(g.op("Clip", g.op("Mul", y, g.weights((), 0.01)), g.const(np.float32(-1)), g.const(np.float32(2))), 0.02, -50)
        g.case("swish-and-numbers" + tail, off=0)
        for name, op, kw in (("averagepool", "AveragePool", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}), ("maxpool", "MaxPool", {"kernel_shape": [2, 2], "strides": [2, 2]}),
                             ("globalaveragepool", "GlobalAveragePool", {}), ("reducemean", "ReduceMean", {"axes": [2, 3], "keepdims": 0}),
                             ("transpose", "Transpose", {"perm": [0, 2, 3, 1]}), ("flatten", "Flatten", {})):
            for same in (True, False):
                g = Quantized(dtype=dtype)
                y = g.op(op, g.input(rand(1, 4, 8, 6), 2 / 127, 9), **kw)
                g.qdq(y, *((2 / 127, 9) if same else (2 / 90, -4)))
                g.case(f"{name}{'' if same else '-rescaled'}{tail}", off=1 if "average" in name or "mean" in name else 0)
        g = Quantized(dtype=dtype)
        x = g.input(rand(1, 4, 5, 6), 2 / 127, 9)
        g.qdq(g.op("Concat", x, g.input(rand(1, 3, 5, 6), 2 / 100, -9), g.weights((1, 1, 5, 6), 0.02), axis=1), 0.018, 7)
        g.case("concat" + tail, off=0)
        for zero, scale in ((-128, 1 / 256), (-100, 0.005)):
            g = Quantized(dtype=dtype)
            g.qdq(g.op("Softmax", g.input(rand(3, 20) * 3, 6 / 127, 3)), scale, zero)
            g.case(f"softmax{zero}{tail}", off=1)
        g = Quantized(dtype=dtype)
        x = g.input(rand(1, 4, 5, 6), 2 / 127, 9)
        g.qdq(g.op("Pad", x, g.const(i64(0, 0, 1, 2, 0, 0, 2, 1))), 2 / 127, 9)
        g.case("pad" + tail, off=0)
        g = Quantized(dtype=dtype)
        x = g.qdq(g.op("Relu", g.op("Conv", g.input(rand(1, 3, 12, 12), 2 / 127, 0), g.weights((8, 3, 3, 3), 0.01, 0), g.bias(8, 2 / 127 * 0.01), pads=[1, 1, 1, 1])), 0.03, -128)
        y = g.qdq(g.op("Conv", x, g.weights((8, 1, 3, 3), 0.01, 0), g.const(rand(8)), group=8, pads=[1, 1, 1, 1]), 0.06, 0)
        y = g.qdq(g.op("Add", x, y), 0.06, -20)
        y = g.qdq(g.op("GlobalAveragePool", y), 0.04, -40)
        g.qdq(g.op("Gemm", g.op("Flatten", y), g.weights((8, 10), 0.01, 1), g.bias(10, 0.0004)), 0.01, 5)
        g.case("network" + tail, off=2)
    g = Quantized(opset=10)
    g.qdq(g.op("Conv", g.input(rand(1, 5, 9, 8), 2 / 127, 4), g.weights((7, 5, 3, 3), 0.01)), 0.03, -12)
    g.case("opset10")
    g = Quantized()
    x = g.input(rand(1, 4, 5, 6), 2 / 127, 9)
    a, b = g.qdq(g.op("Relu", x), 0.02, -128), g.qdq(x, 0.02, 5)  # several readers with scales of their own, and a transpose between
    g.qdq(g.op("Add", g.op("Transpose", a, perm=[0, 2, 3, 1]), g.op("Transpose", b, perm=[0, 2, 3, 1])), 0.04, 1)
    g.case("several-readers")


# Operators whose cases of the ONNX backend tests are run, with the inputs that are constants in models of every day: they decide shapes.
BACKEND = {
    **{op: () for op in ("Abs Add And ArgMax ArgMin AveragePool Ceil Celu Concat Cos Conv "
                         "DepthToSpace Div Elu Equal Erf Exp Flatten Floor Gather GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool Greater GreaterOrEqual GRU HardSigmoid "
                         "HardSwish Identity InstanceNormalization GroupNormalization LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax LSTM MatMul Max MaxPool Mean Min "
                         "Mish Mod Mul Neg Not Or PRelu Pow Reciprocal Relu Round Selu Shape Shrink Sigmoid Sign Sin Size Softmax Softplus Softsign SpaceToDepth Sqrt "
                         "Sub Sum Tanh ThresholdedRelu Transpose Where Xor").split()},
    **{op: (1,) for op in "CumSum Expand OneHot Reshape Split Squeeze Tile TopK Unsqueeze ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 "
                          "ReduceLogSum ReduceLogSumExp ReduceSumSquare".split()},
    "BatchNormalization": (1, 2, 3, 4), "ConvTranspose": (1, 2), "Clip": (1, 2), "ConstantOfShape": (0,), "Pad": (1, 2, 3), "Range": (0, 1, 2), "Resize": (1, 2, 3), "Slice": (1, 2, 3, 4), "Upsample": (1,),
    "QuantizeLinear": (1, 2), "DequantizeLinear": (1, 2), "QLinearConv": (1, 2, 3, 4, 5, 6, 7, 8), "QLinearMatMul": (1, 2, 3, 4, 5, 6, 7),
}
PLAIN = {np.dtype(t) for t in (np.float32, np.int8, np.uint8, np.int16, np.int32, np.int64, np.bool_)}
SMALL = {np.dtype(t) for t in (np.int8, np.uint8, np.int16)}        # of these, arithmetic without a scale is not supported
ARITHMETIC = set("Add Sub Mul Div Mod Pow Equal Greater GreaterOrEqual Less LessOrEqual Clip MaxPool".split())
# What is not supported, by parts of the names of cases, and one where ONNX Runtime does not follow the standard and we follow ONNX Runtime.
BEYOND = ("select_last_index", "cubic", "tf_crop", "not_larger", "not_smaller", "antialias", "with_argmax", "_3d", "dilations_", "maxpool_2d_dilations", "training_mode",
          "convtranspose_group", "batch_norm", "bool_inputs", "_fmod", "mod_mixed", "pow_types_int", "pow_types_float32_uint", "lstm_with_seq", "batch_dims", "empty_set", "zero_size",
          "resize_downsample_scales_linear_align_corners", "starts_on_pad", "averagepool_2d_dilations", "linear_int16", "_blocked", "batch_dim1", "lstm_with_peepholes")


def backend():
    """The node tests of the ONNX standard with the outputs that it gives, for operators that are read."""
    from onnx.backend.test.case.node import collect_testcases
    for t in collect_testcases(None):
        graph = t.model.graph
        if len(graph.node) != 1 or graph.node[0].op_type not in BACKEND or graph.node[0].domain or t.name.endswith("_expanded") or len(t.data_sets) != 1:
            continue
        node = graph.node[0]
        ins, outs = t.data_sets[0]
        if any(part in t.name for part in BEYOND) or node.op_type in ARITHMETIC and any(np.asarray(a).dtype in SMALL for a in ins):
            continue
        if node.op_type == "LayerNormalization":    # the other outputs are for training
            del node.output[1:], graph.output[1:]
            outs = outs[:1]
        # The newest versions add types to operators that stay what they are; ONNX Runtime must agree.
        newest = min(t.model.opset_import[0].version, 24)
        if any(not isinstance(a, (np.ndarray, np.generic)) or np.asarray(a).dtype not in PLAIN for a in [*ins, *outs]) or sum(np.asarray(a).size for a in ins) > 4096:
            continue
        named = dict(zip([i.name for i in graph.input], ins))
        constants = {node.input[i] for i in BACKEND[node.op_type] if i < len(node.input) and node.input[i]}
        free = {k: np.asarray(v) for k, v in named.items() if k not in constants}
        if any(v.size == 0 for v in free.values()):
            continue
        if not free:        # everything is known: one input is as good as any
            free = {"unused": np.zeros(1, np.float32)}
        dtype = lambda a: helper.np_dtype_to_tensor_dtype(np.asarray(a).dtype)
        infos = [helper.make_tensor_value_info(k, dtype(v), v.shape) for k, v in free.items()]
        inits = [numpy_helper.from_array(np.asarray(named[k]), k) for k in constants]
        results = [helper.make_tensor_value_info(o.name, dtype(v), None) for o, v in zip(graph.output, outs)]
        m = helper.make_model(helper.make_graph([node], "case", infos, results, inits), opset_imports=[helper.make_opsetid("", newest)], ir_version=10)
        if newest < t.model.opset_import[0].version:
            try:
                given = [v for _, v in run(m.SerializeToString(), free)]
            except Exception:       # ONNX Runtime lacks the type
                continue
            if not all(np.allclose(a, b, 1e-4, 1e-5) for a, b in zip(given, outs)):
                continue
        CASES.append({"name": "standard/" + t.name.removeprefix("test_"), "model": base64.b64encode(m.SerializeToString()).decode(),
                      "inputs": [pack(k, v) for k, v in free.items()], "outputs": [pack(o.name, v) for o, v in zip(graph.output, outs)],
                      **({"off": 1} if node.op_type.startswith("QLinear") else {})})


def gelu():
    """The forms in which exporters write x * 0.5 * (1 + erf(x / sqrt(2))), and one that is something else."""
    x, n = rand(3, 40) * 2, helper.make_node
    consts = {"two": np.float32(2**0.5), "inv": np.float32(0.5**0.5), "one": np.float32(1), "half": np.float32(0.5), "third": np.float32(1 / 3)}
    erf = [n("Div", ["x", "two"], ["d"]), n("Erf", ["d"], ["e"]), n("Add", ["e", "one"], ["a"])]
    case("gelu-parts/product-last", erf + [n("Mul", ["x", "a"], ["m"]), n("Mul", ["m", "half"], ["y"])], {"x": x}, consts)
    case("gelu-parts/half-first", erf + [n("Mul", ["half", "x"], ["m"]), n("Mul", ["m", "a"], ["y"])], {"x": x}, consts)
    case("gelu-parts/half-of-sum", [n("Mul", ["x", "inv"], ["d"]), n("Erf", ["d"], ["e"]), n("Add", ["one", "e"], ["a"]), n("Mul", ["a", "half"], ["m"]), n("Mul", ["x", "m"], ["y"])], {"x": x}, consts)
    case("gelu-parts/third", erf + [n("Mul", ["x", "a"], ["m"]), n("Mul", ["m", "third"], ["y"])], {"x": x}, consts)
    case("gelu-parts/other-value", erf + [n("Neg", ["x"], ["z"]), n("Mul", ["z", "a"], ["m"]), n("Mul", ["m", "half"], ["y"])], {"x": x}, consts)


def branches():
    """If on a condition that shapes decide; branches see values around them and hold other branches."""
    x = rand(2, 3)
    n = helper.make_node
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
    inner = helper.make_graph([n("Relu", ["t"], ["u"])], "inner", [], [value("u")])
    other = helper.make_graph([n("Identity", ["t"], ["u"])], "other", [], [value("u")])
    then = helper.make_graph([n("Mul", ["x", "two"], ["t"]), n("If", ["c"], ["v"], then_branch=inner, else_branch=other)], "then", [], [value("v")],
                             [numpy_helper.from_array(np.float32(2), "two")])
    rest = helper.make_graph([n("Neg", ["x"], ["t"]), n("Einsum", ["t"], ["v"], equation="ab->ba")], "rest", [], [value("v")])
    nodes = [n("Shape", ["x"], ["s"]), n("Gather", ["s", "one"], ["d"]), n("Equal", ["d", "three"], ["c"]), n("If", ["c"], ["w"], then_branch=then, else_branch=rest),
             n("Add", ["w", "x"], ["y"])]
    case("if/nested", nodes, {"x": x}, {"one": np.int64(1), "three": np.int64(3)})
    refuse("if-computed", "computed at run time", [n("If", ["c"], ["y"], then_branch=other_of("x", n, value), else_branch=other_of("x", n, value))], {"x": x, "c": np.bool_(True)})


def other_of(name, n, value):
    return helper.make_graph([n("Identity", [name], ["u"])], "branch", [], [value("u")])


def forest(trees, depth, features, targets, mode="BRANCH_LEQ", per_leaf=1, missing=False, negative=True):
    """Random trees as the attributes that the older operators have; the names of those of leaves begin with TARGET."""
    a = {k: [] for k in ("nodes_treeids nodes_nodeids nodes_featureids nodes_values nodes_modes nodes_truenodeids nodes_falsenodeids nodes_missing_value_tracks_true "
                         "TARGET_treeids TARGET_nodeids TARGET_ids TARGET_weights").split()}

    def node(tree, level, count):
        me = count[0]
        count[0] += 1
        row = len(a["nodes_treeids"])
        leaf = level == depth or level > 1 and RNG.integers(0, 4) == 0
        for k, v in (("treeids", tree), ("nodeids", me), ("featureids", 0 if leaf else int(RNG.integers(0, features))), ("values", 0.0 if leaf else float(RNG.integers(-16, 17) / 8)),
                     ("modes", "LEAF" if leaf else mode), ("truenodeids", 0), ("falsenodeids", 0), ("missing_value_tracks_true", int(missing and RNG.integers(0, 2)))):
            a["nodes_" + k].append(v)
        if not leaf:
            a["nodes_truenodeids"][row] = node(tree, level + 1, count)
            a["nodes_falsenodeids"][row] = node(tree, level + 1, count)
            return me
        for t in RNG.permutation(targets)[:per_leaf]:
            for k, v in (("treeids", tree), ("nodeids", me), ("ids", int(t)), ("weights", float(RNG.integers(-16 if negative else 0, 17) / 64))):
                a["TARGET_" + k].append(v)
        return me

    for tree in range(trees):
        node(tree, 0, [0])
    return a


def tree_case(name, op, attrs, x, outputs, version=3, domain="ai.onnx.ml"):
    outs = [helper.make_tensor_value_info(o, t, None) for o, t in outputs]
    n = helper.make_node(op, ["x"], [o for o, _ in outputs], domain=domain, **attrs)
    g = helper.make_graph([n], "case", [helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)], outs)
    data = helper.make_model(g, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(domain, version)], ir_version=8).SerializeToString()
    CASES.append({"name": "trees/" + name, "model": base64.b64encode(data).decode(), "inputs": [pack("x", x)], "outputs": [pack(k, v) for k, v in run(data, {"x": x})]})


def named(a, prefix):
    return {k.replace("TARGET", prefix): v for k, v in a.items()}


def trees():
    x = rand(7, 5)
    gaps = x.copy()
    gaps[RNG.integers(0, 2, gaps.shape) == 0] = np.nan
    scores = [("y", TensorProto.FLOAT)]
    for mode in "LEQ LT GTE GT EQ NEQ".split():
        tree_case("regressor-" + mode.lower(), "TreeEnsembleRegressor", named(forest(4, 4, 5, 1, "BRANCH_" + mode), "target") | {"n_targets": 1}, x, scores)
        tree_case("regressor-missing-" + mode.lower(), "TreeEnsembleRegressor", named(forest(4, 4, 5, 1, "BRANCH_" + mode, missing=True), "target") | {"n_targets": 1}, gaps, scores)
    for how in ("SUM", "AVERAGE", "MIN", "MAX"):
        tree_case("regressor-targets-" + how.lower(), "TreeEnsembleRegressor",
                  named(forest(6, 3, 5, 3, per_leaf=3), "target") | {"n_targets": 3, "aggregate_function": how, "base_values": [0.5, -1.0, 2.0]}, x, scores)
    for post in ("LOGISTIC", "SOFTMAX"):
        tree_case("regressor-" + post.lower(), "TreeEnsembleRegressor", named(forest(6, 3, 5, 3, per_leaf=3), "target") | {"n_targets": 3, "post_transform": post}, x, scores)
    tree_case("regressor-stump", "TreeEnsembleRegressor", named(forest(1, 0, 5, 1), "target") | {"n_targets": 1}, x, scores)
    both = [("label", TensorProto.INT64), ("y", TensorProto.FLOAT)]
    for post in ("NONE", "LOGISTIC", "SOFTMAX"):
        tree_case("classifier-" + post.lower(), "TreeEnsembleClassifier", named(forest(6, 3, 5, 4, per_leaf=4), "class") | {"classlabels_int64s": [7, 3, -2, 9], "post_transform": post}, x, both, 1)
    tree_case("classifier-integers", "TreeEnsembleClassifier", named(forest(6, 3, 5, 3, per_leaf=3), "class") | {"classlabels_int64s": [0, 1, 2]}, RNG.integers(-3, 4, (7, 5)), both)
    tree_case("classifier-two", "TreeEnsembleClassifier", named(forest(6, 3, 5, 2, per_leaf=2), "class") | {"classlabels_int64s": [0, 1], "post_transform": "SOFTMAX"}, x, both)
    for negative in (True, False):
        for post in ("NONE", "LOGISTIC"):
            for base in ([], [0.25]):
                tree_case(f"classifier-one-score-{'mixed' if negative else 'positive'}-{post.lower()}-{len(base)}", "TreeEnsembleClassifier",
                          named(forest(5, 3, 5, 1, negative=negative), "class") | {"classlabels_int64s": [10, 20], "post_transform": post} | ({"base_values": base} if base else {}), x, both)
    f32, u8 = lambda v: numpy_helper.from_array(np.array(v, np.float32)), lambda v: numpy_helper.from_array(np.array(v, np.uint8))
    flat = {"n_targets": 2, "aggregate_function": 1, "post_transform": 0, "tree_roots": [0, 2], "nodes_splits": f32([0.5, -0.25, 1.0]), "nodes_featureids": [0, 3, 4], "nodes_modes": u8([0, 3, 1]),
            "nodes_truenodeids": [1, 0, 3], "nodes_trueleafs": [0, 1, 1], "nodes_falsenodeids": [1, 2, 1], "nodes_falseleafs": [1, 1, 1], "leaf_targetids": [0, 1, 0, 1],
            "leaf_weights": f32([1.5, -2.5, 3.25, 10.0])}
    tree_case("flat", "TreeEnsemble", flat, x, scores, 5)
    tree_case("flat-average", "TreeEnsemble", flat | {"aggregate_function": 0}, x, scores, 5)
    n = helper.make_node
    bad = named(forest(1, 2, 5, 1), "target") | {"n_targets": 1}
    bad["nodes_truenodeids"][0] = 0     # leads to itself
    shared = named(forest(1, 2, 5, 1), "target") | {"n_targets": 1}
    shared["nodes_falsenodeids"][0] = shared["nodes_truenodeids"][0]
    for name, text, attrs in (("loop", "begin with its root", bad), ("shared", "two of them", shared), ("feature", "of 2", named(forest(1, 2, 5, 1), "target") | {"nodes_featureids": [9] * 99})):
        a = dict(attrs)
        if name == "feature":
            a["nodes_featureids"] = [9] * len(a["nodes_treeids"])
        g = helper.make_graph([n("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", **a)], "case", [helper.make_tensor_value_info("x", 1, [1, 2 if name == "feature" else 5])],
                              [helper.make_tensor_value_info("y", 1, None)])
        data = helper.make_model(g, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=8).SerializeToString()
        CASES.append({"name": "refused/trees-" + name, "model": base64.b64encode(data).decode(), "refused": text})


def layout1():
    """ONNX Runtime lacks layout 1: the same layer in layout 0, its tensors transposed outside."""
    steps, batch, size, hidden = 4, 2, 3, 5
    for op, gates in (("GRU", 3), ("LSTM", 4)):
        x, h0 = rand(steps, batch, size), rand(2, batch, hidden)
        consts = {"w": rand(2, gates * hidden, size), "r": rand(2, gates * hidden, hidden)}
        outs = ["y", "yh"] + (["yc"] if op == "LSTM" else [])
        outputs = [(o, TensorProto.FLOAT) for o in outs]
        build = lambda layout, inputs: model([helper.make_node(op, ["x", "w", "r", "", "", "h0"], outs, hidden_size=hidden, direction="bidirectional", layout=layout)],
                                             inputs, consts, outputs, 14).SerializeToString()
        y = dict(run(build(0, {"x": x, "h0": h0}), {"x": x, "h0": h0}))
        swapped = {"x": x.transpose(1, 0, 2).copy(), "h0": h0.transpose(1, 0, 2).copy()}
        want = {k: v.transpose(2, 0, 1, 3) if k == "y" else v.transpose(1, 0, 2) for k, v in y.items()}
        CASES.append({"name": f"{op.lower()}/layout1", "model": base64.b64encode(build(1, swapped)).decode(),
                      "inputs": [pack(k, v) for k, v in swapped.items()], "outputs": [pack(k, np.ascontiguousarray(v)) for k, v in want.items()]})


def refuse(name, text, nodes, inputs, consts=None, opset=13, outputs=(("y", TensorProto.FLOAT),)):
    """A model that must not load, and what the reason must say."""
    data = model(nodes, inputs, consts or {}, outputs, opset).SerializeToString()
    CASES.append({"name": "refused/" + name, "model": base64.b64encode(data).decode(), "refused": text})


def refused():
    x = rand(1, 2, 5, 5)
    n = helper.make_node
    refuse("unknown-operator", "not implemented", [n("Einsum", ["x"], ["y"], equation="ii")], {"x": x})
    refuse("other-domain", "not implemented", [n("Relu", ["x"], ["y"], domain="org.example")], {"x": x})
    refuse("old-opset", "versions", [n("Add", ["x", "x"], ["y"])], {"x": x}, opset=6)
    refuse("new-opset", "versions", [n("Relu", ["x"], ["y"])], {"x": x}, opset=99)
    refuse("conv-3d", "3 spatial axes", [n("Conv", ["x", "w"], ["y"])], {"x": rand(1, 1, 4, 4, 4)}, {"w": rand(1, 1, 2, 2, 2)})
    refuse("conv-kernel-too-large", "larger than", [n("Conv", ["x", "w"], ["y"])], {"x": x}, {"w": rand(1, 2, 7, 7)})
    refuse("conv-groups", "group 3", [n("Conv", ["x", "w"], ["y"], group=3)], {"x": x}, {"w": rand(3, 2, 3, 3)})
    refuse("conv-pads", "pads has 2", [n("Conv", ["x", "w"], ["y"], pads=[1, 1])], {"x": x}, {"w": rand(3, 2, 3, 3)})
    refuse("maxpool-indices", "Indices", [n("MaxPool", ["x"], ["y", "i"], kernel_shape=[2, 2])], {"x": x})
    refuse("maxpool-dilations", "dilations", [n("MaxPool", ["x"], ["y"], kernel_shape=[2, 2], dilations=[2, 2])], {"x": x})
    refuse("pad-mode", "is not known", [n("Pad", ["x", "p"], ["y"], mode="mirror")], {"x": x}, {"p": i64(0, 0, 1, 1, 0, 0, 1, 1)})
    refuse("reshape-computed", "run time", [n("Reshape", ["x", "s"], ["y"])], {"x": x, "s": i64(-1)})
    refuse("reshape-wrong", "cannot take", [n("Reshape", ["x", "s"], ["y"])], {"x": x}, {"s": i64(7, -1)})
    refuse("gather-outside", "outside", [n("Gather", ["x", "i"], ["y"])], {"x": x}, {"i": i64(1)})
    refuse("axis-outside", "axis", [n("Softmax", ["x"], ["y"], axis=4)], {"x": x})
    refuse("dropout-mask", "mask", [n("Dropout", ["x"], ["y", "m"])], {"x": x})
    refuse("batchnorm-training", "training_mode", [n("BatchNormalization", ["x", "s", "s", "s", "s"], ["y"], training_mode=1)], {"x": x}, {"s": rand(2)}, opset=15)
    refuse("broadcast", "broadcast", [n("Div", ["x", "c"], ["y"])], {"x": x}, {"c": rand(3)})
    refuse("float64", "type", [n("Add", ["x", "c"], ["y"])], {"x": x}, {"c": np.float64(2)})
    refuse("cast-float64", "not supported", [n("Cast", ["x"], ["y"], to=TensorProto.DOUBLE)], {"x": x})
    q = {"s": np.float32(0.5), "z": np.int8(0)}
    refuse("quantize-int16", "int16 with a scale is not supported", [n("QuantizeLinear", ["x", "s", "z"], ["y"])], {"x": x}, {"s": np.float32(0.5), "z": np.int16(0)}, 21,
           (("y", TensorProto.INT16),))
    refuse("dequantize-uint16", "uint16 with a scale is not supported", [n("DequantizeLinear", ["w", "s", "z"], ["v"]), n("Add", ["x", "v"], ["y"])], {"x": x},
           {"w": np.ones(5, np.uint16), "s": np.float32(0.5), "z": np.uint16(0)}, 21)
    refuse("quantize-computed-scale", "run time", [n("QuantizeLinear", ["x", "s", "z"], ["y"])], {"x": x, "s": np.float32(1)}, {"z": np.int8(0)}, outputs=(("y", TensorProto.INT8),))
    refuse("quantize-blocks", "blocks of 5", [n("DequantizeLinear", ["w", "s"], ["v"], block_size=5, axis=1), n("Add", ["x", "v"], ["y"])], {"x": x},
           {"w": np.ones((1, 5), np.int8), "s": np.ones((1, 1), np.float32)}, 21)
    refuse("quantize-negative", "positive", [n("QuantizeLinear", ["x", "s", "z"], ["y"])], {"x": x}, {**q, "s": np.float32(-1)}, outputs=(("y", TensorProto.INT8),))
    seq = rand(4, 1, 3)
    rnn = {"w": rand(1, 15, 3), "r": rand(1, 15, 5)}
    refuse("gru-lengths", "sequence_lens has 2", [n("GRU", ["x", "w", "r", "", "n"], ["y"], hidden_size=5)], {"x": seq}, {**rnn, "n": np.array([2], np.int32)})
    refuse("gru-activation", "Affine", [n("GRU", ["x", "w", "r"], ["y"], hidden_size=5, activations=["Affine", "Tanh"])], {"x": seq}, rnn)
    refuse("gru-weights", "shape", [n("GRU", ["x", "w", "r"], ["y"], hidden_size=5)], {"x": seq}, {"w": rand(1, 15, 4), "r": rand(1, 15, 5)})
    refuse("lstm-input-forget", "input_forget", [n("LSTM", ["x", "w", "r"], ["y"], hidden_size=5, input_forget=1)], {"x": seq}, {"w": rand(1, 20, 3), "r": rand(1, 20, 5)})


def shared(folder):
    for name, inputs in (("models/onnx/mnist-12.onnx", [{"Input3": RNG.integers(0, 256, (1, 1, 28, 28)).astype(np.float32)} for _ in range(3)]),
                         ("models/onnx/gru.onnx", [{"data_input": rand(1, 9, 3), "init_hidden": rand(1, 1, 5)}, {"data_input": rand(2, 4, 3), "init_hidden": rand(1, 2, 5)}]),
                         ("models/onnx/vit_ibp_3_3_8.onnx", [{"input": rand(1, 3, 32, 32)}]),
                         ("models/onnx/silero_vad_16k_op15.onnx", [{"input": rand(1, 576) / 4, "state": rand(2, 1, 128), "sr": np.int64(16000)}]),
                         ("models/mlperf/pretrainedResnet.onnx", [{"input_1": RNG.integers(0, 256, (1, 3, 32, 32)).astype(np.float32)}])):
        for i, x in enumerate(inputs):
            out = run((folder / name).read_bytes(), x)
            CASES.append({"name": f"{pathlib.Path(name).stem}/{i}", "path": name, "inputs": [pack(k, v) for k, v in x.items()], "outputs": [pack(k, v) for k, v in out]})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=pathlib.Path, default=ROOT.parent / "shared")
    args = parser.parse_args()
    for build in (conv, pool, dense, elementwise, normalization, movement, network, recurrent, layout1, linear, quantized, backend, gelu, branches, trees, refused):
        build()
    if (args.shared / "models").is_dir():
        shared(args.shared)
    out = ROOT / "graph/onnx/testdata/cases.json.gz"
    out.parent.mkdir(parents=True, exist_ok=True)
    body = "".join(json.dumps(c, separators=(",", ":")) + "\n" for c in CASES)
    out.write_bytes(gzip.compress(body.encode(), 9, mtime=0))
    print(f"{len(CASES)} cases, {out.stat().st_size} bytes, onnx {onnx.__version__}, onnxruntime {ort.__version__}")


if __name__ == "__main__":
    main()
