#!/usr/bin/env python3
"""Writes graph/load/testdata/speech.npz: what tflite-micro makes of recorded words with its audio front end, and of these features with its keyword model.

usage: V/bin/pip install --pre -r scripts/oracles/requirements.txt; V/bin/python scripts/oracles/speech.py

Needs ../shared. Each word gives the array NAME.features, one row of 40 int8 per window of 480 samples, 320 apart, and NAME.scores where there are 49
windows. The front end keeps its noise estimate from window to window.
"""
import io
import pathlib
import tarfile
import wave

import numpy as np
from tflite_micro.python.tflite_micro import runtime

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
DIGITS = ["0_jackson_0.wav", "7_theo_0.wav"]  # 8 kHz: to the front end just other sounds, the second one quiet


def samples(data):
    with wave.open(io.BytesIO(data)) as w:
        return np.frombuffer(w.readframes(w.getnframes()), np.int16)


def main():
    words = {w: (SHARED / f"data/audio/tflm/{w}_1000ms.wav").read_bytes() for w in ("yes", "no")}
    with tarfile.open(SHARED / "data/audio/fsdd.tar.gz") as t:
        words |= {n.removesuffix(".wav"): t.extractfile(n).read() for n in DIGITS}
    out = {}
    for name, data in words.items():
        x = samples(data)
        it = runtime.Interpreter.from_file(str(SHARED / "models/tflm/audio_preprocessor_int8.tflite"), arena_size=1_000_000)
        rows = []
        for at in range(0, len(x) - 479, 320):
            it.set_input(x[None, at:at + 480], 0)
            it.invoke()
            rows.append(it.get_output(0))
        out[name + ".features"] = np.array(rows, np.int8)
        if len(rows) == 49:
            it = runtime.Interpreter.from_file(str(SHARED / "models/tflm/micro_speech_quantized.tflite"), arena_size=1_000_000)
            it.set_input(out[name + ".features"].reshape(1, 1960), 0)
            it.invoke()
            out[name + ".scores"] = it.get_output(0)
        print(name, out[name + ".features"].shape, np.abs(x).max(), out.get(name + ".scores"))
    np.savez_compressed(ROOT / "graph/load/testdata/speech.npz", **out)


if __name__ == "__main__":
    main()
