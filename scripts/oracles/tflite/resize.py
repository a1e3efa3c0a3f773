"""Resizing of pictures. tflite-micro decides; LiteRT's reference resolver for uint8 and for what tflite-micro refuses."""
import numpy as np

from suite import T, const

SHORT = {np.float32: "f32", np.int8: "s8", np.uint8: "u8", np.int16: "s16", np.int32: "s32"}
SIZES = [(1, 4, 5, 3, 8, 10), (2, 3, 4, 2, 7, 5), (1, 9, 7, 2, 4, 3), (1, 1, 6, 3, 3, 13), (1, 5, 1, 1, 1, 4), (1, 6, 6, 2, 6, 6), (1, 13, 11, 1, 1, 1), (1, 2, 2, 5, 9, 11)]
MODES = {"": {}, "_corners": {"alignCorners": True}, "_half": {"halfPixelCenters": True}}


def cases(s):
    for op, kind, opts in (("RESIZE_BILINEAR", "bilinear", "ResizeBilinearOptions"), ("RESIZE_NEAREST_NEIGHBOR", "nearest", "ResizeNearestNeighborOptions")):
        for dtype in [d for d in SHORT if d != np.int32 or kind == "nearest"]:
            q = {np.int8: (0.05, -9), np.uint8: (0.05, 100), np.int16: (0.001, 0)}.get(dtype, ())
            micro = dtype in (np.float32, np.int8) or dtype == np.int16 and kind == "nearest"
            modes = dict(MODES, _both={"alignCorners": True, "halfPixelCenters": True}) if kind == "nearest" else MODES
            for mode, o in modes.items():
                for i, (n, h, w, c, ho, wo) in enumerate(SIZES):
                    if q and not mode and i == 0:  # without a scale
                        s.add(f"{kind}_{SHORT[dtype]}_plain", op, (opts, o), [T((n, h, w, c), dtype), const(np.array([ho, wo], np.int32))],
                              T((n, ho, wo, c), dtype), 4 if dtype == np.int16 else 3, oracle="litert", samples=1)
                    s.add(f"{kind}_{SHORT[dtype]}{mode}_{i}", op, (opts, o), [T((n, h, w, c), dtype, *q), const(np.array([ho, wo], np.int32))],
                          T((n, ho, wo, c), dtype, *q), 4 if dtype == np.int16 else 3, oracle="tflm" if micro and mode != "_both" else "litert", samples=1)
