#!/usr/bin/env python3
"""Writes graph/load/testdata/recurrent.npz: what tflite-micro makes of handwritten digits with its LSTM models and of random inputs with its keyword model.

usage: V/bin/pip install --pre -r scripts/oracles/requirements.txt; V/bin/python scripts/oracles/recurrent_models.py

Needs ../shared. trained_lstm.DIGIT and trained_lstm_int8.DIGIT: ten scores, the state fresh for each picture; trained_lstm.row and trained_lstm_int8.row: the five
pictures one after the other, the state going on; keyword.in and keyword.TENSOR: 40 inputs one after the other, and the values of some tensors, because the
scores of this model with scrambled weights are always equal.
"""
import pathlib
import zlib

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from tflite_micro.python.tflite_micro import runtime

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
DIGITS = [0, 2, 4, 6, 8]
PROBES = [5, 29, 47, 50]  # results of the first, fourth and last SVDF and of the last FULLY_CONNECTED


def grey(path):
    """The pixels of an 8-bit grey PNG without interlacing."""
    b = path.read_bytes()
    at, data = 8, b""
    while at < len(b):
        n, kind = int.from_bytes(b[at:at + 4], "big"), b[at + 4:at + 8]
        if kind == b"IHDR":
            w, h = (int.from_bytes(b[at + k:at + k + 4], "big") for k in (8, 12))
        if kind == b"IDAT":
            data += b[at + 8:at + 8 + n]
        at += 12 + n
    raw = zlib.decompress(data)
    out = np.zeros((h, w), np.uint8)
    for y in range(h):
        row, above = raw[y * (w + 1):(y + 1) * (w + 1)], out[y - 1] if y else np.zeros(w, np.uint8)
        for x in range(w):
            left, up, corner = int(out[y, x - 1]) if x else 0, int(above[x]), int(above[x - 1]) if x else 0
            p = left + up - corner
            paeth = min((abs(p - v), k, v) for k, v in enumerate((left, up, corner)))[2]
            out[y, x] = (row[x + 1] + [0, left, up, (left + up) // 2, paeth][row[0]]) & 255
    return out


def run(data, inputs, outputs=1):
    """The rows of each output."""
    it = runtime.Interpreter.from_bytes(data, arena_size=1_000_000)
    rows = [[] for _ in range(outputs)]
    for x in inputs:
        it.set_input(x, 0)
        it.invoke()
        for k, r in enumerate(rows):
            r.append(np.array(it.get_output(k))[0])
    return [np.array(r) for r in rows]


def probed(data):
    """The model with the probes as its outputs, before its own."""
    m = schema.ModelT.InitFromPackedBuf(data, 0)
    m.subgraphs[0].outputs = PROBES + list(m.subgraphs[0].outputs)
    b = flatbuffers.Builder(1024)
    b.Finish(m.Pack(b), b"TFL3")
    return bytes(b.Output())


def main():
    out = {}
    pictures = [grey(SHARED / f"data/images/mnist_lstm/sample{d}.png")[None] for d in DIGITS]
    for model, convert in (("trained_lstm", lambda p: (p / np.float32(255)).astype(np.float32)), ("trained_lstm_int8", lambda p: (p.astype(np.int16) - 128).astype(np.int8))):
        inputs = [convert(p) for p in pictures]
        data = (SHARED / f"models/tflm/{model}.tflite").read_bytes()
        for d, x in zip(DIGITS, inputs):
            out[f"{model}.{d}"] = run(data, [x])[0][0]
            print(model, d, out[f"{model}.{d}"].argmax())
        out[f"{model}.row"] = run(data, inputs)[0]
    rng = np.random.default_rng(1)
    x = rng.integers(-32768, 32768, size=(40, 1, 96)).astype(np.int16)
    x[10:20] //= 16
    x[20:30] //= 256
    out["keyword.in"] = x[:, 0]
    for t, rows in zip(PROBES, run(probed((SHARED / "models/tflm/keyword_scrambled.tflite").read_bytes()), x, len(PROBES))):
        out[f"keyword.{t}"] = rows
        print("keyword", t, rows.dtype, rows.shape, len(set(map(tuple, rows))), "different rows")
    np.savez_compressed(ROOT / "graph/load/testdata/recurrent.npz", **out)


if __name__ == "__main__":
    main()
