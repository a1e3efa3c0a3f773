"""Convolutions and fully connected layers."""
import numpy as np

from suite import ACTS, SAME, VALID, T, const, span


def weights(s, shape, channels, axis, per_channel):
    w = s.rng.integers(-127, 128, size=shape).astype(np.int8)
    ws = (s.rng.integers(20, 200, size=channels) / 20000).astype(np.float32) if per_channel else np.float32(0.0123)
    return const(w, scale=ws, axis=axis), ws


def convolutions(s):
    i = 0
    for h, w, c, o, kh, kw, sh, sw, dh, dw, pad, act, pc in [
            (5, 7, 3, 5, 3, 3, 1, 1, 1, 1, SAME, "none", True), (8, 6, 4, 8, 3, 3, 2, 2, 1, 1, SAME, "relu", True),
            (9, 9, 2, 3, 3, 2, 1, 2, 2, 2, VALID, "relu6", True), (4, 4, 16, 6, 1, 1, 1, 1, 1, 1, VALID, "none", True),
            (6, 5, 1, 9, 5, 4, 2, 1, 1, 1, SAME, "none", False), (7, 7, 8, 4, 1, 1, 2, 2, 1, 1, SAME, "relu_n1_to_1", True)]:
        i += 1
        ho, wo = span(h, kh, sh, dh, pad), span(w, kw, sw, dw, pad)
        opts = {"padding": pad, "strideH": sh, "strideW": sw, "dilationHFactor": dh, "dilationWFactor": dw,
                "fusedActivationFunction": ACTS[act]}
        bias = s.rng.integers(-2000, 2000, size=o).astype(np.int32)
        wt, ws = weights(s, (o, kh, kw, c), o, 0, pc)
        x = T((2, h, w, c), np.int8, 0.021, -5)
        b = const(bias, scale=np.broadcast_to(np.float32(0.021) * ws, o if pc else 1).copy())
        s.add(f"conv_s8_{i}_{act}", "CONV_2D", ("Conv2DOptions", opts), [x, wt, b], T((2, ho, wo, o), np.int8, 0.09, 7), 3)
        fw = const((s.rng.integers(-64, 65, size=(o, kh, kw, c)) / 64).astype(np.float32))
        fb = const((bias / 512).astype(np.float32))
        s.add(f"conv_f32_{i}_{act}", "CONV_2D", ("Conv2DOptions", opts), [T((2, h, w, c), np.float32), fw, fb], T((2, ho, wo, o), np.float32))
        for mult in (1, 3):
            d = dict(opts, depthMultiplier=mult)
            oc = c * mult
            wt, ws = weights(s, (1, kh, kw, oc), oc, 3, pc)
            b = const(s.rng.integers(-2000, 2000, size=oc).astype(np.int32), scale=np.broadcast_to(np.float32(0.021) * ws, oc if pc else 1).copy())
            s.add(f"depthwise_s8_{i}_x{mult}_{act}", "DEPTHWISE_CONV_2D", ("DepthwiseConv2DOptions", d), [x, wt, b],
                T((2, ho, wo, oc), np.int8, 0.05, -11), 3)
            fw = const((s.rng.integers(-64, 65, size=(1, kh, kw, oc)) / 64).astype(np.float32))
            fb = const((s.rng.integers(-64, 65, size=oc) / 64).astype(np.float32))
            s.add(f"depthwise_f32_{i}_x{mult}_{act}", "DEPTHWISE_CONV_2D", ("DepthwiseConv2DOptions", d),
                [T((2, h, w, c), np.float32), fw, fb], T((2, ho, wo, oc), np.float32), samples=1)
    # grouped: weights with a third of the input channels
    wt, ws = weights(s, (6, 2, 2, 2), 6, 0, True)
    s.add("conv_s8_grouped", "CONV_2D", ("Conv2DOptions", {"padding": SAME, "strideH": 1, "strideW": 1}),
        [T((1, 5, 5, 6), np.int8, 0.021, 3), wt, const(np.zeros(6, np.int32), scale=np.float32(0.021) * ws)],
        T((1, 5, 5, 6), np.int8, 0.05, 0), 3)


def dense(s):
    for i, (m, k, n, act, pc, bias) in enumerate([
            (1, 64, 12, "none", False, True), (3, 33, 7, "relu", False, True), (2, 128, 10, "none", True, True),
            (4, 5, 1, "relu6", True, False), (40, 200, 64, "none", False, True)]):
        wt, ws = weights(s, (n, k), n, 0, pc)
        b = const(s.rng.integers(-3000, 3000, size=n).astype(np.int32), scale=np.broadcast_to(np.float32(0.021) * ws, n if pc else 1).copy())
        o = {"fusedActivationFunction": ACTS[act]}
        s.add(f"fully_connected_s8_{i}_{act}", "FULLY_CONNECTED", ("FullyConnectedOptions", o),
            [T((m, k), np.int8, 0.021, 17), wt, b if bias else None], T((m, n), np.int8, 0.31, -3), 4)
        fw = const((s.rng.integers(-64, 65, size=(n, k)) / 64).astype(np.float32))
        fb = const((s.rng.integers(-64, 65, size=n) / 64).astype(np.float32))
        s.add(f"fully_connected_f32_{i}_{act}", "FULLY_CONNECTED", ("FullyConnectedOptions", o),
            [T((m, k), np.float32), fw, fb if bias else None], T((m, n), np.float32), samples=1)


def cases(s):
    s.ulp, s.of_max = 8, True
    convolutions(s)
    dense(s)
