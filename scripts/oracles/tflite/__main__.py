#!/usr/bin/env python3
"""Writes graph/graphtest/testdata/tflite/*.json.gz: small TFLite models with the outputs of the reference implementations.

Usage: python scripts/oracles/tflite [FAMILY ...]   (needs requirements.txt; install with pip --pre)

A family is a module beside this file with a function cases(suite). To add a case, call suite.add there and run the family again.
Which implementation is the reference for which operator: docs/adr, and the argument oracle of each case.
"""
import importlib
import pathlib
import sys

from suite import Suite

HERE = pathlib.Path(__file__).parent
HELPERS = {"__main__", "model", "suite"}


def main():
    names = sys.argv[1:] or sorted(p.stem for p in HERE.glob("*.py") if p.stem not in HELPERS)
    for name in names:
        s = Suite(name)
        importlib.import_module(name).cases(s)
        s.write()


if __name__ == "__main__":
    main()
