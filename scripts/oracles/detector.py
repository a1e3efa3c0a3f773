#!/usr/bin/env python3
"""Writes graph/graphtest/testdata/detector.json: what LiteRT's reference kernels compute with a quantized SSD.

Usage: WAYSIDE_DETECTOR_PIXELS=/tmp/d go test ./graph/load -run TestDetector; python scripts/oracles/detector.py MODEL /tmp/d/*.rgb
Needs requirements.txt. The pixels come from the test, so that both sides see the same ones.
"""
import json
import pathlib
import sys
import zlib

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    it = Interpreter(sys.argv[1], experimental_op_resolver_type=OpResolverType.BUILTIN_REF, num_threads=1)
    it.allocate_tensors()
    golden = {}
    for path in map(pathlib.Path, sys.argv[2:]):
        data = path.read_bytes()
        it.set_tensor(it.get_input_details()[0]["index"], np.frombuffer(data, np.uint8).reshape(1, 300, 300, 3))
        it.invoke()
        outs = [it.get_tensor(o["index"]).ravel() for o in it.get_output_details()]
        golden[path.stem] = {"crc32": zlib.crc32(data), "outputs": [[float(v) for v in o] for o in outs]}
    (ROOT / "graph/graphtest/testdata/detector.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
