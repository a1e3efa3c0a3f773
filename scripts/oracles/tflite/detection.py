"""What object detectors end with: TFLite_Detection_PostProcess and non-maximum suppression.

tflite-micro decides post-processing of float32 with one class per box; it writes further classes of a box to wrong places.
LiteRT's reference resolver decides the rest.
"""
import base64

import numpy as np
from flatbuffers import flexbuffers

from suite import T, const


def options(**kw):
    b = flexbuffers.Builder()
    with b.Map():
        for k, v in sorted(kw.items()):
            b.Key(k)
            {bool: b.Bool, int: b.Int, float: b.Float}[type(v)](v)
    return bytes(b.Finish())


def scene(s, boxes, columns, groups):
    """Codes and scores of boxes around a few places, so that they overlap."""
    anchors = np.zeros((boxes, 4), np.float32)
    place = s.rng.integers(0, groups, size=boxes)
    anchors[:, :2] = s.rng.random((groups, 2))[place] + s.rng.normal(0, 0.02, (boxes, 2))
    anchors[:, 2:] = 0.1 + s.rng.random((groups, 2))[place] * 0.3
    codes = s.rng.normal(0, 0.7, (1, boxes, 4)).astype(np.float32)
    n = boxes * columns
    scores = (s.rng.permutation(n) + 1) / (n + 1)
    return codes, scores.reshape(1, boxes, columns).astype(np.float32), anchors.astype(np.float32)


def quantize(a, dtype, scale, zero):
    i = np.iinfo(dtype)
    return np.clip(np.round(a / scale) + zero, i.min, i.max).astype(dtype)


def post(s):
    scales = dict(y_scale=10.0, x_scale=10.0, h_scale=5.0, w_scale=5.0)
    for i, (boxes, classes, background, kw) in enumerate([
            (20, 3, 1, dict(max_detections=5, max_classes_per_detection=1, nms_score_threshold=0.3, nms_iou_threshold=0.5)),
            (20, 3, 0, dict(max_detections=30, max_classes_per_detection=1, nms_score_threshold=0.0, nms_iou_threshold=0.2)),
            (33, 5, 1, dict(max_detections=7, max_classes_per_detection=1, nms_score_threshold=0.5, nms_iou_threshold=0.6, use_regular_nms=True)),
            (33, 5, 0, dict(max_detections=40, max_classes_per_detection=1, nms_score_threshold=0.7, nms_iou_threshold=0.4, use_regular_nms=True, detections_per_class=3)),
            (1, 1, 0, dict(max_detections=1, max_classes_per_detection=1, nms_score_threshold=0.0, nms_iou_threshold=1.0)),
            (12, 4, 1, dict(max_detections=4, max_classes_per_detection=1, nms_score_threshold=2.0, nms_iou_threshold=0.5)),
            (25, 6, 1, dict(max_detections=6, max_classes_per_detection=3, nms_score_threshold=0.1, nms_iou_threshold=0.5)),
            (9, 2, 0, dict(max_detections=4, max_classes_per_detection=2, nms_score_threshold=0.1, nms_iou_threshold=0.5)),
            (60, 3, 1, dict(max_detections=10, max_classes_per_detection=1, nms_score_threshold=1e-8, nms_iou_threshold=0.6, use_regular_nms=True))]):
        o = options(num_classes=classes, **kw, **scales)
        slots = kw["max_detections"] * kw["max_classes_per_detection"]
        one = kw["max_classes_per_detection"] == 1
        for kind in ("f32", "u8", "mixed"):
            runs, anchors = [], None
            for k in range(2):
                c, p, a = scene(s, boxes, classes + background, 4)
                anchors = a if anchors is None else anchors
                runs.append([c, p])
            x = [T(runs[0][0].shape, np.float32), T(runs[0][1].shape, np.float32), const(anchors)]
            if kind == "u8":
                x[0], x[2] = T(x[0].shape, np.uint8, 0.03, 120), const(quantize(anchors, np.uint8, 0.006, 0), scale=0.006)
                runs = [[quantize(c, np.uint8, 0.03, 120), p] for c, p in runs]
            if kind != "f32":
                x[1] = T(x[1].shape, np.uint8, 1 / 256, 0)
                runs = [[c, distinct(s, quantize(p, np.uint8, 1 / 256, 0), kw)] for c, p in runs]
            outs = [T((1, slots, 4), np.float32), T((1, slots), np.float32), T((1, slots), np.float32), T((1,), np.float32)]
            s.add(f"postprocess_{kind}_{i}", None, None, x, outs, custom=("TFLite_Detection_PostProcess", o), inputs=runs,
                  oracle="tflm" if kind == "f32" and one else "litert")
            clear(s.cases[-1], kw["max_classes_per_detection"])


def clear(case, places):
    """Places that suppression leaves unused keep what the memory held before: here they are zero."""
    for r in case["runs"]:
        count = int(np.frombuffer(base64.b64decode(r["out"][3]["data"]), np.float32)[0]) * places
        for k, width in enumerate((4, 1, 1)):
            a = np.frombuffer(base64.b64decode(r["out"][k]["data"]), np.float32).copy()
            a[count * width:] = 0
            r["out"][k]["data"] = base64.b64encode(a.tobytes()).decode()


def distinct(s, q, kw):
    """Where the reference's order of equal scores is that of its sort, scores must not be equal."""
    if not kw.get("use_regular_nms") and kw["max_classes_per_detection"] == 1:
        return q
    if q.size <= 256:
        return s.rng.permutation(256)[:q.size].astype(np.uint8).reshape(q.shape)
    return q


def suppression(s):
    for i, (n, want, overlap, least, sigma, groups) in enumerate([(20, 6, 0.5, 0.2, 0.5, 3), (20, 30, 0.3, 0.0, 0.1, 4), (7, 3, 0.9, 0.5, 1.0, 1), (1, 1, 0.5, 0.0, 0.5, 1),
                                                                  (33, 8, 1.0, 0.1, 0.3, 2), (16, 5, 0.5, 2.0, 0.5, 2), (40, 40, 0.6, 0.0, 0.0, 5), (5, 0, 0.5, 0.0, 0.5, 2)]):
        for equal in (False, True):
            runs = []
            for _ in range(2):
                at = s.rng.integers(0, groups, size=n)
                mid = s.rng.random((groups, 2))[at] + s.rng.normal(0, 0.05, (n, 2))
                half = 0.05 + s.rng.random((n, 2)) * 0.2
                b = np.concatenate([mid - half, mid + half], 1).astype(np.float32)
                flip = s.rng.random(n) < 0.3  # corners may come in any order
                b[flip] = b[flip][:, [2, 3, 0, 1]]
                if n > 10:
                    b[3, 2] = b[3, 0]  # no area
                p = s.rng.integers(0, 5, n) / 4 if equal else (s.rng.permutation(n) + 1) / (n + 1)
                runs.append([b, p.astype(np.float32)])
            x = [T((n, 4), np.float32), T((n,), np.float32), const(np.array(want, np.int32)), const(np.float32(overlap)), const(np.float32(least))]
            e = "_equal" if equal else ""
            s.add(f"suppress_v4_{i}{e}", "NON_MAX_SUPPRESSION_V4", ("NonMaxSuppressionV4Options", {}), x, [T((want,), np.int32), T((), np.int32)],
                  inputs=runs, oracle="litert")
            s.add(f"suppress_v5_{i}{e}", "NON_MAX_SUPPRESSION_V5", ("NonMaxSuppressionV5Options", {}), [*x, const(np.float32(sigma))],
                  [T((want,), np.int32), T((want,), np.float32), T((), np.int32)], inputs=runs, oracle="litert")
    # Thresholds that are computed at run time.
    x = [T((9, 4), np.float32), T((9,), np.float32), const(np.array(4, np.int32)), T((), np.float32), T((), np.float32), T((), np.float32)]
    runs = [[s.rng.random((9, 4)).astype(np.float32), s.rng.random(9).astype(np.float32), np.float32(o), np.float32(t), np.float32(g)]
            for o, t, g in ((0.5, 0.1, 0.5), (0.2, 0.4, 0.0))]
    s.add("suppress_v5_open", "NON_MAX_SUPPRESSION_V5", ("NonMaxSuppressionV5Options", {}), x, [T((4,), np.int32), T((4,), np.float32), T((), np.int32)],
          inputs=[[np.asarray(a) for a in r] for r in runs], oracle="litert")


def cases(s):
    post(s)
    suppression(s)
