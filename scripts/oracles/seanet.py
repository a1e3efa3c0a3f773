#!/usr/bin/env python3
"""Writes graph/load/testdata/seanet.json: checksums of what the reference computes for the SEANet operators of ../shared/conformance/tflm-seanet.

Usage: python scripts/oracles/seanet.py   (needs requirements.txt and the folder shared beside the repository)

The archive holds goldens of its own, which upstream compares with a tolerance of 1. The checksums, CRC-32 of the little-endian output, are those of
tflite-micro; for LEAKY_RELU of LiteRT's reference kernels, which give the archive's goldens.
"""
import json
import pathlib
import sys
import tarfile
import tempfile
import zlib

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts/oracles/tflite"))
from suite import run  # noqa: E402


def inputs(folder, stem):
    files = sorted(folder.glob(stem + "_input*_int*.csv"))
    return [np.array(f.read_text().replace("\n", ",").strip(",").split(","), f.stem.rsplit("_", 1)[1]) for f in files]


def shaped(data, arrays):
    from ai_edge_litert import schema_py_generated as schema
    g = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data)).subgraphs[0]
    return [a.reshape(g.tensors[i].shape) for i, a in zip(g.inputs, arrays, strict=True)]


def main():
    sums = {}
    with tempfile.TemporaryDirectory() as d:
        with tarfile.open(ROOT.parent / "shared/conformance/tflm-seanet/cases.tar.gz") as t:
            t.extractall(d, filter="data")
        for path in sorted(pathlib.Path(d).glob("*/*.tflite")):
            data = path.read_bytes()
            op = path.parent.name
            got = run("litert" if op == "leaky_relu" else "tflm", data, [shaped(data, inputs(path.parent, path.stem))])
            if got is None:
                raise SystemExit(f"{path.stem}: refused")
            sums[f"{op}/{path.stem}"] = f"{zlib.crc32(got[0][0].tobytes()):08x}"
    out = ROOT / "graph/load/testdata/seanet.json"
    out.write_text(json.dumps(sums, indent=1, sort_keys=True) + "\n")
    print(len(sums), "cases")


if __name__ == "__main__":
    main()
