#!/usr/bin/env python3
"""Writes graph/graphtest/testdata/tflite_models.json: what the oracles give for real models on random inputs.

Usage: tflite_models.py SHARED   (needs requirements.txt; SHARED is a folder with models/*/*.tflite)

Each model runs 20 times in one session, so state goes on. Inputs come from a counter-based generator (SplitMix64) that the Go test
repeats, so they are not stored. Integer outputs are stored as a hash, float outputs as a sample of their values.
"""
import hashlib
import json
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent / "tflite"))
from ai_edge_litert import schema_py_generated as schema  # noqa: E402
from model import TYPES  # noqa: E402
from suite import ROOT, run  # noqa: E402

RUNS, SAMPLE = 20, 40


def bits(seed, n):
    """n numbers of SplitMix64 (Steele, Lea, Flood 2014), as uint64."""
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + (np.arange(n, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def values(seed, shape, dtype):
    """Floats are multiples of 2^-12 in -1..1, integers the full range of their type, bools one bit."""
    z = bits(seed, int(np.prod(shape)))
    if dtype.kind == "f":
        a = (z >> np.uint64(51)).astype(np.int64) - 4096
        return (a.astype(np.float32) / np.float32(4096)).reshape(shape)
    if dtype.kind == "b":
        return (z >> np.uint64(63)).astype(np.bool_).reshape(shape)
    return (z >> np.uint64(64 - 8 * dtype.itemsize)).astype(f"u{dtype.itemsize}").view(dtype).reshape(shape)


def inputs(data):
    """Shape and dtype of each input, in the model's order; dynamic axes count as the 1 that the file has."""
    g = schema.ModelT.InitFromPackedBuf(data, 0).subgraphs[0]
    dtypes = {v: k for k, v in TYPES.items()}
    return [(tuple(int(n) for n in g.tensors[i].shape), dtypes[g.tensors[i].type]) for i in g.inputs]


def entry(path):
    data = path.read_bytes()
    ins = inputs(data)
    runs = [[values(1000 * r + i, s, d) for i, (s, d) in enumerate(ins)] for r in range(RUNS)]
    for oracle in ("tflm", "litert"):
        got = run(oracle, data, runs, seconds=600)
        if got is not None:
            break
    else:
        raise SystemExit(f"{path.name}: no oracle runs it")
    out = []
    for r in got:
        row = []
        for a in r:
            if a.dtype.kind == "f":
                at = bits(a.size, SAMPLE) % np.uint64(a.size) if a.size > SAMPLE else np.arange(a.size)
                row.append({"values": [float(v) for v in a.ravel()[at.astype(np.int64)]], "max": float(np.abs(a).max())})
            else:
                row.append({"sha256": hashlib.sha256(a.tobytes()).hexdigest()[:16]})
        out.append(row)
    return {"model": f"{path.parent.name}/{path.name}", "oracle": oracle, "runs": out}


def main():
    files = sorted(pathlib.Path(sys.argv[1]).glob("models/*/*.tflite"))
    models = []
    for f in files:
        models.append(entry(f))
        print(f.name, models[-1]["oracle"])
    path = ROOT / "graph/graphtest/testdata/tflite_models.json"
    path.write_text("[\n" + ",\n".join(json.dumps(m, separators=(",", ":")) for m in models) + "\n]\n")
    print(f"{len(models)} models, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
