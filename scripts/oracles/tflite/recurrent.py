"""Recurrent operators: LSTM, RNN, SVDF, in all their forms."""
import itertools

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from model import TYPES
from suite import Graph, Op, T, const, quantized_bits

RNN_ACTS = {"none": 0, "relu": 1, "relu_n1_to_1": 2, "relu6": 3, "tanh": 4}
TANH = 4


def intermediates(*ts):
    """An edit that gives the first operator intermediate tensors: (dtype, scale, zero) each, None for one without scale."""
    def edit(m):
        g = m.subgraphs[0]
        g.operators[0].intermediates = []
        for k, t in enumerate(ts):
            x = schema.TensorT()
            x.name, x.shape, x.buffer, x.type = f"inner{k}", [0], 0, TYPES[np.dtype(t[0] if t else np.float32)]
            if t:
                x.quantization = schema.QuantizationParametersT()
                x.quantization.scale, x.quantization.zeroPoint = np.array([t[1]], np.float32), np.array([t[2]], np.int64)
            g.operators[0].intermediates.append(len(g.tensors))
            g.tensors.append(x)
    return edit


class Weights:
    """Random weights of one kind: f32, hybrid (int8 with float32 inputs) or int (int8, with int16 vectors)."""

    def __init__(self, s, kind):
        self.rng, self.kind = s.rng, kind

    def matrix(self, rows, cols, scale=None):
        if self.kind == "f32":
            return const(quantized_bits(self.rng, rows, cols))
        top = 127 if self.kind == "hybrid" else 100
        return const(self.rng.integers(-top, top + 1, size=(rows, cols)).astype(np.int8), scale=scale or self.rng.integers(40, 130) / 16384)

    def peephole(self, n):
        if self.kind == "f32":
            return const(quantized_bits(self.rng, n))
        if self.kind == "hybrid":
            return const(self.rng.integers(-127, 128, size=n).astype(np.int8), scale=1 / 128)
        return const(self.rng.integers(-20000, 20001, size=n).astype(np.int16), scale=0.0000371)

    def norm(self, n):
        if self.kind == "int":
            return const(self.rng.integers(8000, 32768, size=n).astype(np.int16), scale=0.0000277)
        return const((1 + quantized_bits(self.rng, n) / 2).astype(np.float32))

    def bias(self, n, dtype=np.int32):
        if self.kind == "int":
            return const(self.rng.integers(-3000, 3001, size=n).astype(dtype), scale=0.0001)
        return const(quantized_bits(self.rng, n))


def gates(w, n, cols, coupled=False):
    return [None if coupled and k == 0 else w.matrix(n, cols) for k in range(4)]


def lstm_parts(w, n_in, n, o, coupled=False, peephole=False, proj=False, proj_bias=False, norm=False, bias_type=np.int32):
    """Inputs 1 to 17 of an LSTM, then its four layer normalizations."""
    skip = lambda k, t: None if coupled and k == 0 else t  # noqa: E731
    part = gates(w, n, n_in, coupled) + gates(w, n, o, coupled)
    part += [skip(k, w.peephole(n)) if peephole else None for k in range(3)]
    part += [skip(k, w.bias(n, bias_type)) for k in range(4)]
    part += [w.matrix(o, n) if proj else None, w.bias(o) if proj_bias else None]
    return part, [skip(k, w.norm(n)) if norm else None for k in range(4)]


def in_shape(steps, batch, width, time_major):
    return (steps, batch, width) if time_major else (batch, steps, width)


def sequence_lstm(s, name, kind, oracle, steps=4, batch=1, n_in=5, n=4, o=None, time_major=False, act=TANH, clip=0.0, proj_clip=0.0, asym=False, samples=2, **parts):
    o = o or n
    w = Weights(s, kind)
    a, norm = lstm_parts(w, n_in, n, o, **parts)
    states = [T((batch, o), np.float32, variable=True), T((batch, n), np.float32, variable=True)]
    opts = {"fusedActivationFunction": act, "cellClip": clip, "projClip": proj_clip, "timeMajor": time_major, "asymmetricQuantizeInputs": asym}
    s.add(name, "UNIDIRECTIONAL_SEQUENCE_LSTM", ("UnidirectionalSequenceLSTMOptions", opts),
          [T(in_shape(steps, batch, n_in, time_major), np.float32)] + a + states + norm,
          T(in_shape(steps, batch, o, time_major), np.float32), 3 if asym else 1, samples=samples, oracle=oracle)


def float_lstm(s):
    s.ulp, s.of_max = 6, True
    i = 0
    for time_major, batch, clip in itertools.product((False, True), (1, 3), (0.0, 0.75)):
        i += 1
        sequence_lstm(s, f"unilstm_f32_{i}", "f32", "tflm", steps=3 + i % 3, batch=batch, n_in=1 + i, n=7 - i % 4, time_major=time_major, clip=clip)
    sequence_lstm(s, "unilstm_f32_one", "f32", "tflm", steps=1, batch=6, n_in=1, n=1, samples=4)
    sequence_lstm(s, "unilstm_f32_long", "f32", "tflm", steps=40, n_in=3, n=5, samples=1)
    for act in ("relu", "relu6", "relu_n1_to_1"):
        sequence_lstm(s, f"unilstm_f32_{act}", "f32", "litert", act=RNN_ACTS[act], clip=3.0)
    full = [dict(coupled=True), dict(peephole=True), dict(peephole=True, coupled=True), dict(proj=True, o=3), dict(proj=True, proj_bias=True, o=6),
            dict(norm=True), dict(norm=True, coupled=True), dict(norm=True, peephole=True, proj=True, proj_bias=True, o=3),
            dict(peephole=True, proj=True, o=2, coupled=True, clip=0.5, proj_clip=0.25), dict(norm=True, clip=0.3, coupled=True, peephole=True, proj=True, o=3)]
    for k, p in enumerate(full):
        sequence_lstm(s, f"unilstm_f32_full_{k}", "f32", "litert", batch=1 + k % 2, time_major=k % 3 == 0, n_in=3 + k % 4, n=4 if "o" in p else 5, **p)
    for asym in (False, True):
        t = "asym" if asym else "sym"
        sequence_lstm(s, f"unilstm_hybrid_{t}", "hybrid", "litert", asym=asym)
        sequence_lstm(s, f"unilstm_hybrid_{t}_batch", "hybrid", "litert", asym=asym, batch=3, time_major=True, n_in=7, n=5)
        for k, p in enumerate(full):
            sequence_lstm(s, f"unilstm_hybrid_{t}_{k}", "hybrid", "litert", asym=asym, batch=1 + k % 2, time_major=k % 3 == 1, n_in=4 + k % 3, n=4, **p)


def int_lstm(s, name, oracle, op="UNIDIRECTIONAL_SEQUENCE_LSTM", steps=4, batch=1, n_in=5, n=4, o=None, time_major=False, clip=0.0, proj_clip=0.0, samples=2,
             dtype=np.int8, zx=3, zh=-5, power=-11, sx=0.031, sh=1 / 128, hidden=None, inner=(0.0007, 0.0006, 0.0009, 0.0008), inputs=24, **parts):
    o = o or n
    w = Weights(s, "int")
    wide = dtype == np.int16
    a, norm = lstm_parts(w, n_in, n, o, bias_type=np.int64 if wide else np.int32, **parts)
    if wide:
        zx = zh = 0
        sx, sh = sx / 256, sh / 256
    states = [T((batch, o), dtype, sh, zh, variable=True), T((batch, n), np.int16, 2.0 ** power, 0, variable=True)]
    hidden = hidden or (sh, zh)
    ts = [(np.int16, f, 0) if parts.get("norm") else None for f in inner] + [(np.int8, *hidden)]
    if op == "LSTM":
        opts = ("LSTMOptions", {"fusedActivationFunction": TANH, "cellClip": clip, "projClip": proj_clip})
        x, y = T((batch, n_in), dtype, sx, zx), T((batch, o), dtype, sh, zh)
    else:
        opts = ("UnidirectionalSequenceLSTMOptions", {"fusedActivationFunction": TANH, "cellClip": clip, "projClip": proj_clip, "timeMajor": time_major})
        x, y = T(in_shape(steps, batch, n_in, time_major), dtype, sx, zx), T(in_shape(steps, batch, o, time_major), dtype, sh, zh)
    s.add(name, op, opts, ([x] + a + states + norm)[:inputs], y, 1, samples=samples, oracle=oracle, edit=intermediates(*ts))


def integer_lstm(s):
    i = 0
    for dtype, time_major, batch in itertools.product((np.int8, np.int16), (False, True), (1, 2)):
        for power, clip in ((-11, 0.0), (-12, 1.5), (-15, 0.0), (-9, 0.01)):
            i += 1
            int_lstm(s, f"unilstm_{'s8' if dtype == np.int8 else 's16'}_{i}", "tflm", dtype=dtype, time_major=time_major, batch=batch, power=power, clip=clip,
                     n_in=1 + i % 7, n=2 + i % 5, zx=(-128, 127, 0, 11)[i % 4], zh=(0, -128, 7, 100)[i % 4], sx=(0.03, 0.004, 0.11)[i % 3], samples=3)
    int_lstm(s, "unilstm_s8_long", "tflm", steps=60, n_in=9, n=12, samples=1)
    int_lstm(s, "unilstm_s16_long", "tflm", steps=60, n_in=9, n=12, samples=1, dtype=np.int16)
    int_lstm(s, "unilstm_s8_saturated", "tflm", sx=3.0, power=-13)
    int_lstm(s, "unilstm_s8_tiny", "tflm", sx=1e-7, sh=0.00031)
    full = [dict(coupled=True), dict(peephole=True), dict(peephole=True, coupled=True), dict(proj=True, o=3), dict(proj=True, proj_bias=True, o=6),
            dict(norm=True), dict(norm=True, coupled=True), dict(norm=True, peephole=True), dict(norm=True, proj=True, proj_bias=True, o=3),
            dict(coupled=True, proj=True, o=2, clip=0.5, proj_clip=0.25), dict(norm=True, clip=0.3, coupled=True, peephole=True),
            dict(coupled=True, power=-15), dict(coupled=True, power=-9), dict(coupled=True, power=-10, sx=2.0), dict(coupled=True, power=-12, clip=0.002),
            dict(norm=True, sx=0.0001, coupled=True), dict(proj=True, hidden=(0.0039, 17), o=4, zh=9)]
    for k, p in enumerate(full):
        p = dict(dict(batch=1 + k % 2, n_in=3 + k % 4, n=4, zx=(-128, 5, 127)[k % 3]), **p)
        int_lstm(s, f"unilstm_s8_full_{k}", "litert", time_major=k % 3 == 0, samples=3, **p)
    for k, p in enumerate([dict(), dict(batch=3), dict(inputs=20), dict(peephole=True, inputs=20), dict(norm=True, coupled=True), dict(proj=True, o=3)]):
        int_lstm(s, f"lstm_s8_{k}", "litert", op="LSTM", samples=5, **p)


def random_lstm(s):
    """Integer LSTMs whose sizes and scales are drawn, with zero points everywhere."""
    r = s.rng
    draw = lambda: dict(time_major=bool(r.integers(2)), batch=int(r.integers(1, 4)), steps=int(r.integers(1, 6)), n_in=int(r.integers(1, 20)),  # noqa: E731
                        zx=int(r.integers(-128, 128)), zh=int(r.integers(-128, 128)), sx=float(10 ** r.uniform(-5, 1)), sh=float(10 ** r.uniform(-4, -1)),
                        clip=float(r.choice([0, 0.001, 0.3, 3, 100])))
    for i in range(16):
        int_lstm(s, f"unilstm_any_{i}", "tflm", dtype=(np.int8, np.int16)[i % 2], n=int(r.integers(1, 11)), power=int(r.integers(-16, -5)), **draw())
    for i in range(16):
        p, d = dict(coupled=i % 2 == 0, norm=i % 4 > 1), draw()
        o = n = int(r.integers(1, 11))
        if i % 3 == 0:
            o, p["proj"], p["proj_bias"] = int(r.integers(1, 7)), True, i % 2 == 1
        p["peephole"] = o == n and i % 5 < 3 or not any(p.values())
        hidden = (float(10 ** r.uniform(-3, -1.5)), int(r.integers(-128, 128))) if "proj" in p else (d["sh"], d["zh"])
        int_lstm(s, f"unilstm_any_full_{i}", "litert", n=n, o=o, hidden=hidden, power=int(r.integers(-15, -8)), proj_clip=float(r.choice([0, 0.01, 0.5])), **d, **p)


LOST = (23, 28, 43, 49)  # seeds for which the width shows


def lost_variance(s):
    """Saturated gates: the normalization loses their variance and its products leave 32 bits."""
    rng = s.rng
    for k in LOST:
        s.rng = np.random.default_rng(k)
        int_lstm(s, f"unilstm_s8_lost_variance_{k}", "litert", sx=5.0, zx=63, sh=0.00057, zh=94, batch=2, steps=3, n_in=13, n=6, power=-10, norm=True, coupled=True, peephole=True)
    s.rng = rng


def lstm(s, name, kind, batch=1, n_in=5, n=4, o=None, clip=0.0, proj_clip=0.0, act=TANH, asym=False, inputs=24, samples=4, **parts):
    o = o or n
    a, norm = lstm_parts(Weights(s, kind), n_in, n, o, **parts)
    states = [T((batch, o), np.float32, variable=True), T((batch, n), np.float32, variable=True)]
    s.add(name, "LSTM", ("LSTMOptions", {"fusedActivationFunction": act, "cellClip": clip, "projClip": proj_clip, "asymmetricQuantizeInputs": asym}),
          ([T((batch, n_in), np.float32)] + a + states + norm)[:inputs], T((batch, o), np.float32), 4 if asym else 1, samples=samples, oracle="litert")


def single_lstm(s):
    s.ulp = 8  # a projection sums what came off by some units each
    full = [dict(), dict(inputs=20), dict(coupled=True, batch=2), dict(peephole=True, proj=True, proj_bias=True, o=3, inputs=20), dict(norm=True, clip=0.5, act=1)]
    for k, p in enumerate(full):
        lstm(s, f"lstm_f32_{k}", "f32", **p)
        lstm(s, f"lstm_hybrid_{k}", "hybrid", asym=k % 2 == 1, **p)
    for k, (batch, n_in, n) in enumerate([(1, 3, 4), (2, 5, 2), (1, 1, 1)]):
        f = lambda *shape, **kw: T(shape, np.float32, **kw)  # noqa: E731
        s.add(f"lstm_basic_f32_{k}", "LSTM", ("LSTMOptions", {"fusedActivationFunction": TANH, "kernelType": 1}),
              [f(batch, n_in), f(batch, n, variable=True), const(quantized_bits(s.rng, 4 * n, n_in + n)), const(quantized_bits(s.rng, 4 * n)), f(batch, n, variable=True)],
              [f(batch, n), f(batch, n), f(batch, n_in + n), f(batch, 4 * n)], 2, samples=4, oracle="litert")
        for variable in (True, False):
            u = lambda *shape, **kw: T(shape, np.uint8, 1 / 128, 128, **kw)  # noqa: E731
            q = lambda *shape, **kw: T(shape, np.int16, 2.0 ** -11, 0, **kw)  # noqa: E731
            sw = 0.0151
            w = const(s.rng.integers(0, 256, size=(4 * n, n_in + n)).astype(np.uint8), scale=sw, zero=(100, 128, 255)[k])
            b = const(s.rng.integers(-20000, 20000, size=4 * n).astype(np.int32), scale=sw / 128)
            s.add(f"lstm_basic_u8_{k}_{'state' if variable else 'input'}", "LSTM", ("LSTMOptions", {"fusedActivationFunction": TANH, "kernelType": 1}),
                  [u(batch, n_in), u(batch, n, variable=variable), w, b, q(batch, n, variable=variable)],
                  [u(batch, n), q(batch, n), u(batch, n_in + n), T((batch, 4 * n), np.int16, 2.0 ** -12)], 2, samples=4, oracle="litert")


def svdf(s):
    s.ulp = 4
    i = 0
    for rank, batch, act, bias in [(1, 1, "none", True), (2, 1, "relu", True), (2, 3, "none", True), (4, 2, "relu", True), (1, 2, "relu", False)]:
        i += 1
        n_in, units, memory = 2 + i, 3 + i % 3, (5, 1, 7, 3, 10)[i - 1]
        f = units * rank
        opts = ("SVDFOptions", {"rank": rank, "fusedActivationFunction": RNN_ACTS[act]})
        fb = const(quantized_bits(s.rng, units)) if bias else None
        state = T((batch, memory * f), np.float32, variable=True)
        x, y = T((batch, n_in), np.float32), T((batch, units), np.float32)
        s.add(f"svdf_f32_{i}", "SVDF", opts, [x, const(quantized_bits(s.rng, f, n_in)), const(quantized_bits(s.rng, f, memory)), fb, state], y,
              samples=memory + 2, oracle="tflm" if bias else "litert")
        for asym in (False, True):
            w = Weights(s, "hybrid")
            o = ("SVDFOptions", {"rank": rank, "fusedActivationFunction": RNN_ACTS[act], "asymmetricQuantizeInputs": asym})
            s.add(f"svdf_hybrid_{i}_{'asym' if asym else 'sym'}", "SVDF", o, [x, w.matrix(f, n_in), w.matrix(f, memory), fb, state], y, 4 if asym else 2,
                  samples=memory + 2, oracle="litert")
        for kind, q, zs in ((np.int16, 300, 0), (np.int8, 100, (0, -128, 17, 127, 5)[i - 1])):
            wf = const(s.rng.integers(-127, 128, size=(f, n_in)).astype(np.int8), scale=0.011)
            wt = const(s.rng.integers(-q, q + 1, size=(f, memory)).astype(kind), scale=(0.0007, 0.004)[kind == np.int8])
            st = T((batch, memory * f), kind, (0.00021, 0.03)[kind == np.int8], zs, variable=True)
            b = const(s.rng.integers(-3000, 3000, size=units).astype(np.int32), scale=wt.scale * st.scale) if bias or kind == np.int8 else None
            for k, (zx, zo, sx) in enumerate([(-3, 12, 0.05), (127, -128, 0.6)]):
                s.add(f"svdf_s8_{np.dtype(kind)}_{i}_{k}", "SVDF", ("SVDFOptions", {"rank": rank, "fusedActivationFunction": RNN_ACTS["relu" if act == "relu" else "none"]}),
                      [T((batch, n_in), np.int8, sx, zx), wf, wt, b, st], T((batch, units), np.int8, (0.009, 0.05)[k], zo), 3, samples=memory + 2,
                      oracle="tflm" if b else "litert")  # tflite-micro needs a bias


def rnn(s):
    s.ulp = 4
    for act in RNN_ACTS:
        w = Weights(s, "f32")
        parts = [w.matrix(4, 3), w.matrix(4, 4), w.bias(4)]
        s.add(f"rnn_f32_{act}", "RNN", ("RNNOptions", {"fusedActivationFunction": RNN_ACTS[act]}),
              [T((2, 3), np.float32)] + parts + [T((2, 4), np.float32, variable=True)], T((2, 4), np.float32), samples=3, oracle="litert")
    for k, (time_major, batch, steps, act) in enumerate([(False, 1, 4, "tanh"), (True, 1, 4, "relu"), (False, 3, 3, "relu6"), (True, 2, 3, "tanh")]):
        n_in, n = 3 + k, 6 - k
        for kind, asym in (("f32", False), ("hybrid", False), ("hybrid", True)):
            w = Weights(s, kind)
            t = f"{kind}_{k}" + ("_asym" if asym else "")
            ins = lambda *shape: [T(shape, np.float32), w.matrix(n, n_in), w.matrix(n, n), w.bias(n), T((batch, n), np.float32, variable=True)]  # noqa: E731
            s.add(f"unirnn_{t}", "UNIDIRECTIONAL_SEQUENCE_RNN",
                  ("SequenceRNNOptions", {"fusedActivationFunction": RNN_ACTS[act], "timeMajor": time_major, "asymmetricQuantizeInputs": asym}),
                  ins(*in_shape(steps, batch, n_in, time_major)), T(in_shape(steps, batch, n, time_major), np.float32), 3 if asym else 1, samples=3, oracle="litert")
            if kind == "hybrid":
                s.add(f"rnn_{t}", "RNN", ("RNNOptions", {"fusedActivationFunction": RNN_ACTS[act], "asymmetricQuantizeInputs": asym}),
                      ins(batch, n_in), T((batch, n), np.float32), 3 if asym else 2, samples=4, oracle="litert")


def bidirectional_rnn(s):
    s.ulp = 4
    i = 0
    for kind, time_major, merge, aux in itertools.product(("f32", "hybrid", "asym"), (False, True), (False, True), (None, "weights", "input")):
        if aux == "input" and not time_major:
            continue  # LiteRT then feeds the backward direction with the first input
        i += 1
        asym = kind == "asym"
        w = Weights(s, "hybrid" if asym else kind)
        steps, batch, n_in, fn, bn = 3, 1 + i % 2, 4, 3 + i % 2, 2 + i % 3
        if kind == "hybrid" and merge:
            batch = 1  # LiteRT crashes with more: it moves on in zero points that it does not have
        f32 = lambda shape, **kw: T(shape, np.float32, **kw)  # noqa: E731
        shape = in_shape(steps, batch, n_in, time_major)
        ins = [f32(shape)]
        for n in (fn, bn):
            ins += [w.matrix(n, n_in), w.matrix(n, n), w.bias(n), f32((batch, n), variable=True)]
        ins += [f32(shape) if aux else None] + [w.matrix(n, n_in) if aux == "weights" else None for n in (fn, bn)]
        outs = [f32(in_shape(steps, batch, n, time_major)) for n in ([fn + bn] if merge else [fn, bn])]
        s.add(f"birnn_{kind}_{i}", "BIDIRECTIONAL_SEQUENCE_RNN",
              ("BidirectionalSequenceRNNOptions", {"fusedActivationFunction": (TANH, 1)[i % 2], "timeMajor": time_major, "mergeOutputs": merge, "asymmetricQuantizeInputs": asym}),
              ins, outs, 3 if asym else 1, oracle="litert")


def bidirectional_lstm(s):
    s.ulp = 8
    forms = [dict(), dict(coupled=True), dict(peephole=True), dict(proj=True, proj_bias=True), dict(peephole=True, coupled=True, proj=True)]
    i = 0
    for kind, (k, parts), aux in itertools.product(("f32", "hybrid", "asym"), enumerate(forms), (None, "weights", "input")):
        i += 1
        if kind != "f32" and (i + k) % 3 == 0:
            continue
        asym = kind == "asym"
        w = Weights(s, "hybrid" if asym else kind)
        time_major, merge = k % 2 == 0, i % 2 == 0
        steps, batch, n_in, n = 3, 1 + (i // 2) % 2, 4, 3 + k % 2
        if merge and not time_major:
            batch = 1  # with more LiteRT takes the output's row length for the state's and reads beyond it
        o = 2 if "proj" in parts else n
        f32 = lambda shape, **kw: T(shape, np.float32, **kw)  # noqa: E731
        shape = in_shape(steps, batch, n_in, time_major)
        ins = [f32(shape)] + lstm_parts(w, n_in, n, o, **parts)[0] + lstm_parts(w, n_in, n, o, **parts)[0]
        ins += [f32((batch, o), variable=True), f32((batch, n), variable=True), f32((batch, o), variable=True), f32((batch, n), variable=True)]
        ins += [f32(shape) if aux else None]
        for _ in range(2):
            ins += gates(w, n, n_in, parts.get("coupled", False)) if aux == "weights" else [None] * 4
        outs = [f32(in_shape(steps, batch, c, time_major)) for c in ([2 * o] if merge else [o, o])]
        s.add(f"bilstm_{kind}_{i}", "BIDIRECTIONAL_SEQUENCE_LSTM",
              ("BidirectionalSequenceLSTMOptions", {"fusedActivationFunction": TANH, "cellClip": (0.0, 0.6)[k % 2], "projClip": 0.4, "mergeOutputs": merge,
                                                    "timeMajor": time_major, "asymmetricQuantizeInputs": asym}),
              ins, outs, 3 if asym else 1, oracle="litert")


def branches(s):
    """States inside of subgraphs: each branch of an IF keeps its own, which starts at its zero point."""
    def layer(zs, act):
        rng = s.rng
        wf = const(rng.integers(-127, 128, size=(4, 3)).astype(np.int8), scale=0.004)
        wt = const(rng.integers(-100, 101, size=(4, 3)).astype(np.int8), scale=0.004)
        st = T((1, 12), np.int8, 0.5, zs, variable=True)
        x, y = T((1, 3), np.int8, 0.05, 3), T((1, 2), np.int8, 0.05, -9)
        b = const(rng.integers(-300, 300, size=2).astype(np.int32), scale=wt.scale * st.scale)
        return Graph([x], [y], [Op("SVDF", ("SVDFOptions", {"rank": 2, "fusedActivationFunction": act}), [x, wf, wt, b, st], [y], 3)])
    c, x, y = T((1,), np.bool_), T((1, 3), np.int8, 0.05, 3), T((1, 2), np.int8, 0.05, -9)
    main = Graph([c, x], [y], [Op("IF", ("IfOptions", {"thenSubgraphIndex": 1, "elseSubgraphIndex": 2}), [c, x], [y])])
    runs = [[np.array([k in (0, 3, 4, 6)]), s.sample(x)] for k in range(9)]
    s.add_model("if_svdf_s8", [main, layer(21, 0), layer(-40, 1)], "SVDF", inputs=runs)


def cases(s):
    float_lstm(s)
    integer_lstm(s)
    random_lstm(s)
    single_lstm(s)
    svdf(s)
    rnn(s)
    bidirectional_rnn(s)
    bidirectional_lstm(s)
    lost_variance(s)
    for k in range(3):
        int_lstm(s, f"unilstm_s8_20_inputs_{k}", "litert", inputs=20, steps=12, n=6, batch=1 + k, zx=-7 * k, sh=0.0031)  # tflite-micro needs 24
    branches(s)
