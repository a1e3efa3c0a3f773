"""Fully connected layers, batches of matrix products, embeddings."""
import numpy as np

from conv import INT4, XS, bias, floats, ints, scales, weights
from suite import ACTS, Graph, Op, T, const, quantized_bits

# rows, inputs, outputs, activation, one scale per channel, bias
DENSE = [(1, 64, 12, "none", False, True), (3, 33, 7, "relu", False, True), (2, 128, 10, "none", True, True), (4, 5, 1, "relu6", True, False),
         (40, 100, 16, "none", False, True), (1, 1, 1, "none", False, False), (5, 7, 13, "relu_n1_to_1", True, True), (2, 6, 4, "none", False, False)]


def dense(s, name, ins, out, act="none", version=4, **kw):
    fields = {"fusedActivationFunction": ACTS[act]}
    for k in ("keepNumDims", "asymmetricQuantizeInputs", "quantizedBiasType", "weightsFormat"):
        if k in kw:
            fields[k] = kw.pop(k)
    s.add(name, "FULLY_CONNECTED", ("FullyConnectedOptions", fields), ins, out, version=version, **kw)


def fully_connected(s):
    for i, (m, k, n, act, pc, with_bias) in enumerate(DENSE):
        tag = f"{i}_{act}"
        opt = (lambda b: b) if with_bias else (lambda b: None)
        x, y = T((m, k), np.int8, XS, 17), T((m, n), np.int8, 0.31, -3)
        wt, ws = weights(s, (n, k), n, 0, pc)
        dense(s, "fully_connected_s8_" + tag, [x, wt, opt(bias(s, n, XS, ws, reach=3000))], y, act)
        dense(s, "fully_connected_f32_" + tag, [T((m, k), np.float32), floats(s, n, k), opt(floats(s, n))], T((m, n), np.float32), act, samples=1)
        if not pc:
            wz = const(ints(s, -128, 128, (n, k), np.int8), scale=0.0123, zero=-19)
            dense(s, "fully_connected_s8_zero_" + tag, [x, wz, opt(bias(s, n, XS, np.float32(0.0123)))], y, act, samples=1)
        w4, ws = weights(s, (n, k), n, 0, pc, INT4)
        dense(s, "fully_connected_s4_" + tag, [x, w4, opt(bias(s, n, XS, ws))], T((m, n), np.int8, 0.04, -3), act, oracle="litert" if pc and n > 1 else "tflm")
        wu = const(ints(s, 0, 256, (n, k), np.uint8), scale=0.0123, zero=int(s.rng.integers(0, 256)))
        dense(s, "fully_connected_u8_" + tag, [T((m, k), np.uint8, XS, 200), wu, opt(bias(s, n, XS, np.float32(0.0123)))], T((m, n), np.uint8, 0.3, 120), act, oracle="litert")
        if with_bias and m < 9:
            dense(s, "fully_connected_u8_s16_" + tag, [T((m, k), np.uint8, XS, 200), wu, bias(s, n, XS, np.float32(0.0123))], T((m, n), np.int16, 0.001), act, oracle="litert")
        # int16 activations
        xs = np.float32(0.0007)
        x, y = T((m, k), np.int16, xs), T((m, n), np.int16, 0.02)
        wt, ws = weights(s, (n, k), n, 0, pc)
        dense(s, "fully_connected_s16_" + tag, [x, wt, opt(bias(s, n, xs, ws, np.int64, 10 ** 6))], y, act)
        # tflite-micro reads an int32 bias as int64
        dense(s, "fully_connected_s16_b32_" + tag, [x, wt, bias(s, n, xs, ws, np.int32, 10 ** 6)], y, act, oracle="litert", quantizedBiasType=2)
        dense(s, "fully_connected_s16_s4_" + tag, [x, weights(s, (n, k), n, 0, pc, INT4)[0], opt(bias(s, n, xs, ws, np.int64, 10 ** 6))], y, act, oracle="litert", samples=1)
        w16 = const(ints(s, -32768, 32768, (n, k), np.int16), scale=scales(s, n, pc) / 100)
        dense(s, "fully_connected_s16_s16_" + tag, [x, w16, opt(bias(s, n, xs, np.float32(1e-5), np.int64, 10 ** 6))], y, act, oracle="litert", samples=1, quantizedBiasType=4)
        # float32 activations with integer weights
        for asym in (False, True):
            for kind, dtype in (("s8", np.int8), ("s4", INT4)):
                wt, _ = weights(s, (n, k), n, 0, pc, dtype)
                dense(s, f"fully_connected_hybrid_{kind}_{'asym' if asym else 'sym'}_{tag}", [T((m, k), np.float32), wt, opt(floats(s, n))], T((m, n), np.float32),
                      act, oracle="litert", samples=1, asymmetricQuantizeInputs=asym)
    # shapes
    for keep in (False, True):
        out = (2, 3, 5) if keep else (6, 5)
        wt, ws = weights(s, (5, 4), 5, 0, True)
        dense(s, f"fully_connected_s8_keep_{keep}", [T((2, 3, 4), np.int8, XS, 1), wt, bias(s, 5, XS, ws)], T(out, np.int8, 0.1, 0), keepNumDims=keep, version=5)
        dense(s, f"fully_connected_f32_keep_{keep}", [T((2, 3, 4), np.float32), floats(s, 5, 4), None], T(out, np.float32), keepNumDims=keep, version=5)
    dense(s, "fully_connected_f32_flattened", [T((2, 2, 3, 2), np.float32), floats(s, 4, 6), floats(s, 4)], T((4, 4), np.float32))
    dense(s, "fully_connected_f32_rank1", [T((6,), np.float32), floats(s, 4, 6), floats(s, 4)], T((1, 4), np.float32))
    # computed at run time
    dense(s, "fully_connected_f32_computed_weights", [T((2, 6), np.float32), T((3, 6), np.float32), floats(s, 3)], T((2, 3), np.float32), "relu")
    dense(s, "fully_connected_f32_computed_bias", [T((2, 6), np.float32), floats(s, 3, 6), T((3,), np.float32)], T((2, 3), np.float32), "relu6")
    dense(s, "fully_connected_f32_all_computed", [T((2, 6), np.float32), T((3, 6), np.float32), T((3,), np.float32)], T((2, 3), np.float32))
    dense(s, "fully_connected_s8_computed_weights", [T((2, 6), np.int8, XS, -8), T((3, 6), np.int8, 0.0123, 5), bias(s, 3, XS, np.float32(0.0123))], T((2, 3), np.int8, 0.1, 9))
    dense(s, "fully_connected_s16_computed_weights", [T((2, 6), np.int16, 0.001), T((3, 6), np.int8, 0.0123), bias(s, 3, 0.001, np.float32(0.0123), np.int64)], T((2, 3), np.int16, 0.02))
    dense(s, "fully_connected_s16_computed_s16", [T((2, 6), np.int16, 0.001), T((3, 6), np.int16, 0.00123), None], T((2, 3), np.int16, 0.02), oracle="litert", quantizedBiasType=4)
    # factors and zero points at their ends; sums beyond int32
    for tag, xs, ws, os, zi, zw, zo in [("tiny", 1e-4, 1e-5, 1.0, -128, 0, 127), ("large", 1.0, 0.9, 0.011, 127, 127, -128), ("mantissa", 0.99999994, 1.0, 1.0, 0, -128, 0),
                                        ("product", 0.3, 0.7, 0.21, 0, 0, 0), ("tie", 1.0, 0.5, 1.0, 0, 0, 0)]:
        one = const(np.array([[1], [-1], [3], [-128]], np.int8), scale=ws, zero=zw)
        dense(s, "fully_connected_s8_scale_" + tag, [T((256, 1), np.int8, xs, zi), one, const(np.array([0, 1, -1, 5], np.int32), scale=xs * ws)], T((256, 4), np.int8, os, zo),
              inputs=[[np.arange(-128, 128, dtype=np.int8).reshape(256, 1)]])
        u = const(np.array([[1], [255], [128], [0]], np.uint8), scale=ws, zero=zw + 128)
        dense(s, "fully_connected_u8_scale_" + tag, [T((256, 1), np.uint8, xs, zi + 128), u, const(np.array([0, 1, -1, 5], np.int32), scale=xs * ws)],
              T((256, 4), np.uint8, os, zo + 128), inputs=[[np.arange(256, dtype=np.uint8).reshape(256, 1)]], oracle="litert")
    for name, kw, dtype in (("b64", {}, np.int64), ("b32", {"quantizedBiasType": 2, "oracle": "litert"}, np.int32)):
        dense(s, "fully_connected_s16_sum_" + name, [T((2, 1024), np.int16, 0.001), const(np.full((1, 1024), 127, np.int8), scale=0.01), const(np.array([7 ** 11], dtype), scale=0.00001)],
              T((2, 1), np.int16, 1.0), inputs=[[np.array([[32767], [-32768]], np.int16) * np.ones((2, 1024), np.int16)]], **kw)
    wt, _ = weights(s, (3, 8), 3, 0, False)
    x = T((3, 8), np.float32)
    for asym in (False, True):
        dense(s, f"fully_connected_hybrid_ranges_{asym}", [x, wt, floats(s, 3)], T((3, 3), np.float32), oracle="litert", asymmetricQuantizeInputs=asym, inputs=[
            [np.zeros(x.shape, np.float32)], [np.abs(s.sample(x))], [-np.abs(s.sample(x)) * np.float32(1e-3)],
            [np.stack([s.sample(T((8,), np.float32)) * np.float32(10.0 ** (3 * i)) for i in range(3)])]])
        x2 = T((60, 6), np.float32)  # quarters: many quantized values and zero points are ties
        dense(s, f"fully_connected_hybrid_ties_{asym}", [x2, const(np.eye(6, dtype=np.int8), scale=1.0), None], T((60, 6), np.float32), oracle="litert",
              asymmetricQuantizeInputs=asym, inputs=[[(s.rng.integers(-9, 10, size=x2.shape) / 4).astype(np.float32)]])
    # float16 weights through DEQUANTIZE
    w = const(quantized_bits(s.rng, 3, 6).astype(np.float16))
    x, wf, y = T((2, 6), np.float32), T((3, 6), np.float32), T((2, 3), np.float32)
    s.add_model("fully_connected_f16", [Graph([x], [y], [Op("DEQUANTIZE", None, [w], [wf], 3), Op("FULLY_CONNECTED", ("FullyConnectedOptions", {}), [x, wf, None], [y])])],
                op="FULLY_CONNECTED", oracle="litert")


def batch_matmul(s):
    kinds = [("f32", np.float32, np.float32, np.float32, "tflm"), ("s8", np.int8, np.int8, np.int8, "tflm"), ("s16", np.int16, np.int16, np.int16, "tflm"),
             ("s16s8", np.int16, np.int8, np.int16, "litert"), ("s8s32", np.int8, np.int8, np.int32, "litert"), ("hybrid", np.float32, np.int8, np.float32, "litert")]
    shapes = [((3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((1, 3, 7), (4, 7, 2)), ((2, 1, 3, 4), (3, 4, 2)), ((2, 3, 1, 2, 3), (1, 3, 2, 3, 2)), ((5, 1, 1), (5, 1, 1)),
              ((1, 16), (16, 9)), ((3, 2, 5), (1, 5, 4))]
    quant = {np.float32: lambda z: {}, np.int32: lambda z: {}, np.int8: lambda z: {"scale": 0.031, "zero": z}, np.int16: lambda z: {"scale": 0.0011}}
    out_quant = {np.float32: {}, np.int32: {}, np.int8: {"scale": 0.4, "zero": -9}, np.int16: {"scale": 0.05}}
    for kind, ta, tb, to, oracle in kinds:
        for i, (a, b) in enumerate(shapes):
            for adj in ([(False, False), (True, True)] if i else [(False, False), (True, False), (False, True), (True, True)]):
                if kind == "hybrid" and (len(a) > 3 or a[0] != b[0] and len(a) > 2):
                    continue  # the oracle mixes up scales and sums of rows there
                sa = a[:-2] + (a[-1], a[-2]) if adj[0] else a
                sb = b[:-2] + (b[-1], b[-2]) if adj[1] else b
                n = max(len(a), len(b)) - 2
                pa, pb = (1,) * (n - len(a) + 2) + a[:-2], (1,) * (n - len(b) + 2) + b[:-2]
                out = tuple(max(p, q) for p, q in zip(pa, pb)) + (a[-2], b[-1])
                zb = 0 if kind in ("hybrid", "s16s8") else 21
                opts = ("BatchMatMulOptions", {"adjX": adj[0], "adjY": adj[1], "asymmetricQuantizeInputs": kind == "hybrid" and i % 2 == 1})
                name = f"batch_matmul_{kind}_{i}" + ("_adj_x" if adj[0] else "") + ("_adj_y" if adj[1] else "")
                x, y = T(sa, ta, **quant[ta](-13)), T(out, to, **out_quant[to])
                right = s.sample(T(sb, tb))
                s.add(name + "_const", "BATCH_MATMUL", opts, [x, const(right, **quant[tb](zb))], y, version=4, samples=1, oracle=oracle)
                s.add(name, "BATCH_MATMUL", opts, [x, T(sb, tb, **quant[tb](zb))], y, version=4, samples=1, oracle=oracle)


def matmul_per_channel(s):
    """Constant right sides with one scale per column. LiteRT gives zeros for them and tflite-micro takes the first scale for all, so the
    golden outputs are those of the fully connected layer with the same weights."""
    opts = ("BatchMatMulOptions", {"adjX": False, "adjY": False, "asymmetricQuantizeInputs": False})
    for i, (m, k, n, dtype) in enumerate([(3, 8, 5, np.int16), (7, 33, 2, np.int16), (4, 16, 6, np.int8), (1, 128, 9, np.int8)]):
        w, ws = ints(s, -127, 128, (k, n), np.int8), scales(s, n)
        q = {"scale": 0.0007} if dtype == np.int16 else {"scale": XS, "zero": -7}
        y = {"scale": 0.011} if dtype == np.int16 else {"scale": 0.2, "zero": 5}
        for adj in (False, True):
            x, out = T((m, k), dtype, **q), T((m, n), dtype, **y)
            right = const(w.T.copy(), scale=ws, axis=0) if adj else const(w, scale=ws, axis=1)
            twin_x, twin_out = T((m, k), dtype, **q), T((m, n), dtype, **y)
            twin = Graph([twin_x], [twin_out], [Op("FULLY_CONNECTED", ("FullyConnectedOptions", {}), [twin_x, const(w.T.copy(), scale=ws), None], [twin_out], 4)])
            s.add_model(f"batch_matmul_per_channel_{i}_{adj}", [Graph([x], [out], [Op("BATCH_MATMUL", (opts[0], dict(opts[1], adjY=adj)), [x, right], [out], 4)])],
                        op="BATCH_MATMUL", twin=[twin])
    wt, _ = weights(s, (6, 5), 5, 1, True)
    s.add("batch_matmul_hybrid_per_channel", "BATCH_MATMUL", opts, [T((3, 6), np.float32), wt], T((3, 5), np.float32), version=4, oracle="litert")


def embeddings(s):
    ix = [[np.array(v, np.int32)] for v in ([0, 4, 2], [4, 4, 0])]
    i = T((3,), np.int32)

    def add(name, table, out, **kw):
        s.add("embedding_" + name, "EMBEDDING_LOOKUP", None, [i, table], out, inputs=ix, **kw)

    add("f32", floats(s, 5, 4), T((3, 4), np.float32))
    add("f32_rank3", floats(s, 5, 2, 3), T((3, 2, 3), np.float32))
    add("s8", const(ints(s, -128, 128, (5, 4), np.int8), scale=0.1, zero=3), T((3, 4), np.int8, 0.1, 3))
    add("s32", const(ints(s, -9, 9, (5, 4), np.int32)), T((3, 4), np.int32), oracle="litert")
    add("hybrid", const(ints(s, -128, 128, (5, 4), np.int8), scale=0.013), T((3, 4), np.float32), version=2)
    add("hybrid_rows", const(ints(s, -128, 128, (5, 4), np.int8), scale=scales(s, 5)), T((3, 4), np.float32), version=4, oracle="litert")  # tflite-micro takes the first scale for all rows
    add("hybrid_s4", const(ints(s, -8, 8, (5, 6), np.int8).astype(INT4), scale=0.13), T((3, 6), np.float32), version=4, oracle="litert")
    add("hybrid_s4_rows", const(ints(s, -8, 8, (5, 6), np.int8).astype(INT4), scale=scales(s, 5)), T((3, 6), np.float32), version=4, oracle="litert")
    s.add("embedding_computed_table", "EMBEDDING_LOOKUP", None, [i, T((5, 4), np.float32)], T((3, 4), np.float32),
          inputs=[[v[0], s.sample(T((5, 4), np.float32))] for v in ix])


def cases(s):
    s.ulp, s.of_max = 0, False
    fully_connected(s)
    batch_matmul(s)
    matmul_per_channel(s)
    embeddings(s)
