"""The custom operators of the audio front end."""
import base64

import numpy as np
from flatbuffers import flexbuffers

from suite import T, const, pack

TYPE = {np.int16: 7, np.int32: 2, np.float32: 0}


def options(**kw):
    """Custom options. The runtime looks them up by position in alphabetical order, so none may be missing."""
    b = flexbuffers.Builder()
    with b.Map():
        for k in sorted(kw):
            b.Key(k)
            (b.Bool if isinstance(kw[k], bool) else b.Int)(kw[k])
    return bytes(b.Finish())


def add(s, name, op, ins, outs, inputs=None, samples=2, valid=None, **kw):
    """A case with one operator. inputs: a list of runs, each a list of arrays for the inputs that are not constant.

    valid(run, output) returns the first output with zeros where the operator has no result: the runtime leaves there what the memory held.
    """
    s.add(name, None, None, ins, outs, samples=samples, custom=(op, options(**kw)), inputs=inputs)
    if valid:
        for i, r in enumerate(s.cases[-1]["runs"]):
            r["out"][0] = pack(valid(i, unpack(r["out"][0])))


def unpack(p):
    return np.frombuffer(base64.b64decode(p["data"]), p["dtype"]).reshape(p["shape"]).copy()


def extremes(s, n, dtype):
    """Runs for an input of n values: the full range, small numbers, a square wave at both ends, constants, zeros."""
    i = np.iinfo(dtype)
    full = s.rng.integers(i.min, i.max, n, dtype=dtype, endpoint=True)
    small = s.rng.integers(-100, 100, n).astype(dtype)
    square = np.where(np.arange(n) // 3 % 2, i.min, i.max).astype(dtype)
    return [full, small, square, np.full(n, i.min, dtype), np.full(n, i.max, dtype), np.zeros(n, dtype)]


def window(s):
    for shift in (0, 12, 15, 31):
        w = s.rng.integers(-32768, 32767, 24).astype(np.int16)
        w[:2] = -32768, 32767
        add(s, f"window_shift{shift}", "SignalWindow", [T([24], np.int16), const(w)], [T([24], np.int16)], shift=shift,
            inputs=[[a] for a in extremes(s, 24, np.int16)])
    w = (0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(30) + 0.5) / 30)) * 4096
    w = np.round(w).astype(np.int16)
    add(s, "window_rows", "SignalWindow", [T([2, 3, 30], np.int16), const(w)], [T([2, 3, 30], np.int16)], shift=12)
    add(s, "window_one", "SignalWindow", [T([1, 1], np.int16), const(w[5:6])], [T([1, 1], np.int16)], shift=12)
    add(s, "window_repeats", "SignalWindow", [T([90], np.int16), const(w)], [T([90], np.int16)], shift=3)
    add(s, "window_weights_computed", "SignalWindow", [T([20], np.int16), T([10], np.int16)], [T([20], np.int16)], shift=12)


def autoscale(s):
    runs = extremes(s, 12, np.int16)
    for k in range(16):
        a = s.rng.integers(-(1 << k), 1 << k, 12).astype(np.int16)
        a[3] = min(1 << k, 32767)
        runs.append(a)
        runs.append(-a)
    runs += [np.array([-32768] + [v] * 11, np.int16) for v in (0, 1, -1, 300, -300, 32767)]
    runs += [np.array([5] * 11 + [-32768], np.int16), np.array([-7, 9, -32768, -2, 1, 1, -1, 0, 3, -3, 2, 2], np.int16)]
    add(s, "autoscale", "SignalFftAutoScale", [T([12], np.int16)], [T([12], np.int16), T([], np.int32)], inputs=[[a] for a in runs])
    add(s, "autoscale_one", "SignalFftAutoScale", [T([1], np.int16)], [T([1], np.int16), T([], np.int32)], samples=4)
    add(s, "autoscale_480", "SignalFftAutoScale", [T([480], np.int16)], [T([480], np.int16), T([], np.int32)], inputs=[[(s.rng.integers(-900, 900, 480)).astype(np.int16)]])


def waves(s, n, dtype):
    """Runs for a transform of n samples."""
    if dtype == np.float32:
        t = np.arange(n)
        return [(s.rng.integers(-4096, 4096, n) / 512).astype(dtype), np.cos(t * 0.7).astype(dtype), s.rng.standard_normal(n).astype(dtype) * np.float32(1e-3), np.ones(n, dtype)]
    return extremes(s, n, dtype)[:5]


def rfft(s):
    names = {np.int16: "s16", np.int32: "s32", np.float32: "f32"}
    for dtype, name in names.items():
        for n in (4, 6, 8, 10, 12, 16, 18, 20, 24, 30, 32, 36, 40, 48, 50, 54, 60, 64, 90, 120, 128, 150, 240, 256):  # other factors than 2, 3 and 5 end the runtime
            runs = waves(s, n, dtype)[:2 if n > 40 else 5]
            add(s, f"rfft_{name}_{n}", "SignalRfft", [T([n], dtype)], [T([n + 2], dtype)], T=TYPE[dtype], fft_length=n, inputs=[[a] for a in runs])
            spectra = [a for a in waves(s, n + 2, dtype)[:2 if n > 40 else 4]]
            add(s, f"irfft_{name}_{n}", "SignalIrfft", [T([n + 2], dtype)], [T([n], dtype)], T=TYPE[dtype], fft_length=n, inputs=[[a] for a in spectra])
        for n, k in ((16, 11), (16, 1), (12, 6), (512, 480)):
            add(s, f"rfft_{name}_{n}_of_{k}", "SignalRfft", [T([k], dtype)], [T([n + 2], dtype)], T=TYPE[dtype], fft_length=n, inputs=[[a] for a in waves(s, k, dtype)[:1]])
        add(s, f"rfft_{name}_rows", "SignalRfft", [T([2, 3, 10], dtype)], [T([2, 3, 18], dtype)], T=TYPE[dtype], fft_length=16)
        add(s, f"irfft_{name}_rows", "SignalIrfft", [T([2, 3, 18], dtype)], [T([2, 3, 16], dtype)], T=TYPE[dtype], fft_length=16)
        n = 2048 if dtype == np.int16 else 1024
        add(s, f"rfft_{name}_{n}", "SignalRfft", [T([n], dtype)], [T([n + 2], dtype)], T=TYPE[dtype], fft_length=n, inputs=[[waves(s, n, dtype)[0]]])
        add(s, f"irfft_{name}_512", "SignalIrfft", [T([514], dtype)], [T([512], dtype)], T=TYPE[dtype], fft_length=512, inputs=[[waves(s, 514, dtype)[0]]])


def energy(s):
    for n, a, b in ((20, 0, 10), (20, 3, 7), (2, 0, 1), (34, 5, 17), (20, 4, 4)):
        def zeros(_, out, a=a, b=b):
            out[:a] = 0
            out[b:] = 0
            return out
        runs = [[v] for v in extremes(s, n, np.int16)]
        add(s, f"energy_{n}_{a}_{b}", "SignalEnergy", [T([n], np.int16)], [T([n // 2], np.uint32)], inputs=runs, valid=zeros, start_index=a, end_index=b)


def filter_bank(s):
    for name, channels, bins, most in (("mel", 8, 33, 4096), ("wide", 5, 40, 32767), ("negative", 4, 30, -1), ("one", 1, 7, 4096)):
        width = s.rng.integers(0, 6, channels + 1).astype(np.int16)
        width[0] = max(width[0], 1)
        start = np.concatenate([[0], np.cumsum(width)[:-1]]).astype(np.int16)
        freq = np.minimum(start + 1, bins - 6).astype(np.int16)
        n = int(width.sum()) + 2
        w = s.rng.integers(*((-32768, 32767) if most < 0 else (0, most)), n).astype(np.int16)
        u = s.rng.integers(*((-32768, 32767) if most < 0 else (0, most)), n).astype(np.int16)
        runs = [[s.rng.integers(0, 1 << k, bins).astype(np.uint32)] for k in (8, 16, 32)] + [[np.full(bins, 0xffffffff, np.uint32)]]
        add(s, f"filterbank_{name}", "SignalFilterBank", [T([bins], np.uint32), const(w), const(u), const(freq), const(start), const(width)], [T([channels], np.uint64)],
            num_channels=channels, inputs=runs)
    z = np.zeros(4, np.int16)  # longer arrays than the channels need, no width at all
    add(s, "filterbank_empty", "SignalFilterBank", [T([5], np.uint32), const(z), const(z), const(z), const(z), const(z)], [T([2], np.uint64)], num_channels=2)


def square_root(s):
    edges = [0, 1, 2, 3, 4, 6, 7, 65535, 65536, 65280, 65281, (1 << 32) - 1, 1 << 32, (1 << 32) + 65537, 0xfffeffff, 0xffff0000, 0xffff0001, 1 << 62, (1 << 64) - 1, (1 << 63) + 5]
    ties = [r * r + r + d for r in (1, 2, 65535, 65536, 12345678, (1 << 32) - 2) for d in (0, 1)]
    wide = [int.from_bytes(s.rng.bytes(8), "little") >> k for k in range(64)]
    x = np.array(edges + ties + wide, np.uint64)
    for shift in (0, 1, 7, 31):
        add(s, f"sqrt_{shift}", "SignalFilterBankSquareRoot", [T([len(x)], np.uint64), const(np.array(shift, np.int32))], [T([len(x)], np.uint32)], inputs=[[x]])
    add(s, "sqrt_shift_computed", "SignalFilterBankSquareRoot", [T([5], np.uint64), T([], np.int32)], [T([5], np.uint32)],
        inputs=[[x[10:15], np.array(k, np.int32)] for k in (0, 3, 15, 31)])


def subtraction(s):
    usual = dict(alternate_one_minus_smoothing=15401, alternate_smoothing=983, clamping=False, min_signal_remaining=819, num_channels=7, one_minus_smoothing=15975,
                 smoothing=409, smoothing_bits=10, spectral_subtraction_bits=14)
    cases = {"usual": {}, "clamping": dict(clamping=True), "no_bits": dict(smoothing_bits=0), "same": dict(alternate_smoothing=409, alternate_one_minus_smoothing=15975),
             "all_remains": dict(min_signal_remaining=16384), "none_remains": dict(min_signal_remaining=0), "fast": dict(smoothing=16384, one_minus_smoothing=0),
             "huge": dict(smoothing=0x7fffffff, one_minus_smoothing=0x7fffffff, spectral_subtraction_bits=31, smoothing_bits=31)}
    for name, change in cases.items():
        runs = [[s.rng.integers(0, 1 << k, 7).astype(np.uint32)] for k in (12, 12, 20, 8, 32, 5, 16)]
        add(s, f"subtraction_{name}", "SignalFilterBankSpectralSubtraction", [T([7], np.uint32)], [T([7], np.uint32), T([7], np.uint32)], inputs=runs, **{**usual, **change})
    add(s, "subtraction_one", "SignalFilterBankSpectralSubtraction", [T([1], np.uint32)], [T([1], np.uint32), T([1], np.uint32)], **{**usual, "num_channels": 1}, samples=5)


def gain_table(strength=0.95, offset=80.0, gain_bits=21, input_bits=7):
    """A table like the front end's tools make it: per power of two, values at its start, middle and end as a polynomial."""
    def gain(x):
        return min(32767, int((1 << gain_bits) * (x / (1 << input_bits) + offset) ** -strength + 0.5))
    t = [gain(0), gain(1), 0]
    t = [gain(0), gain(1)]
    for k in range(2, 33):
        x0 = 1 << (k - 1)
        y0, y1, y2 = gain(x0), gain(x0 + x0 // 2), gain(2 * x0)
        a1, a2 = 4 * y1 - 3 * y0 - y2, 2 * (y2 - 2 * y1 + y0)
        t += [y0, a1, a2, 0]
    return np.array(t[:125], np.int16)


def pcan(s):
    usual = gain_table()
    wild = s.rng.integers(-32768, 32767, 125).astype(np.int16)
    noise = np.array([0, 1, 2, 3, 4, 5, 7, 8, 1023, 1024, 2047, 2048, 65535, 1 << 20, (1 << 31) - 1, 1 << 31, 0xffffffff] + [int.from_bytes(s.rng.bytes(4), "little") >> k for k in range(30)], np.uint32)
    n = len(noise)
    for name, table in (("usual", usual), ("wild", wild)):
        for shift in (0, 6, 20, 40):
            runs = [[s.rng.integers(0, 1 << k, n).astype(np.uint32), noise] for k in (10, 20, 32)]
            add(s, f"pcan_{name}_{shift}", "SignalPCAN", [T([n], np.uint32), T([n], np.uint32), const(table)], [T([n], np.uint32)], snr_shift=shift, inputs=runs)
    add(s, "pcan_table_computed", "SignalPCAN", [T([3], np.uint32), T([3], np.uint32), T([125], np.int16)], [T([3], np.uint32)], snr_shift=6)


def log(s):
    x = np.array([0, 1, 2, 3, 4, 5, 7, 8, 9, 255, 256, 257, 65535, 65536, 65537, (1 << 31) - 1, 1 << 31, 0xffffffff] + [int.from_bytes(s.rng.bytes(4), "little") >> k for k in range(32)]
                 + [(1 << 16) + 512 * k + d for k in range(0, 128, 5) for d in (0, 1, 511)], np.uint32)
    for scale, bits in ((64, 0), (64, 3), (1, 0), (65536, 31), (1600, 7), (32767, 1), (-5, 2), (0, 0)):
        add(s, f"log_{scale}_{bits}".replace("-", "m"), "SignalFilterBankLog", [T([len(x)], np.uint32)], [T([len(x)], np.int16)], output_scale=scale, input_correction_bits=bits, inputs=[[x]])


def framer(s):
    for size, step, frames, outer, prefill in ((10, 4, 1, (), False), (10, 4, 1, (), True), (10, 4, 3, (), False), (8, 4, 2, (1,), False), (5, 5, 2, (2,), False), (7, 1, 3, (3, 2), True),
                                               (9, 2, 4, (2,), False), (3, 5, 2, (), False), (1, 1, 1, (1, 1), True)):
        held = [size - step if prefill else 0]

        def valid(_, out, size=size, step=step, frames=frames, held=held):
            for f in range(frames):
                held[0] += step
                if held[0] >= size:
                    held[0] -= step
                else:
                    out[..., f, :] = 0
            return out
        shape = list(outer) + [frames * step]
        name = f"framer_{size}_{step}_x{frames}" + "".join(f"_{d}" for d in outer) + ("_prefill" if prefill else "")
        add(s, name, "SignalFramer", [T(shape, np.int16)], [T(list(outer) + [frames, size], np.int16), T([], np.bool_)], samples=6, valid=valid, frame_size=size, frame_step=step, prefill=prefill)


def stacker(s):
    for channels, left, right, step in ((4, 1, 1, 1), (3, 2, 0, 2), (5, 0, 0, 1), (2, 0, 3, 4), (2, 3, 1, 3), (1, 0, 1, 2), (4, 2, 2, 5)):
        size = left + right + 1
        held = [None]

        def valid(_, out, left=left, size=size, step=step, held=held):
            held[0] = left + 1 if held[0] is None else held[0] + 1
            if held[0] < size:
                return out * 0
            held[0] -= step
            return out
        add(s, f"stacker_{channels}_{left}_{right}_{step}", "SignalStacker", [T([channels], np.int16)], [T([channels * size], np.int16), T([], np.bool_)], samples=9, valid=valid,
            num_channels=channels, stacker_left_context=left, stacker_right_context=right, stacker_step=step)


def delay(s):
    for shape, n in (([6], 0), ([6], 1), ([6], 6), ([6], 15), ([2, 5], 3), ([2, 2, 3], 7), ([1], 4)):
        add(s, f"delay_{'x'.join(map(str, shape))}_{n}", "SignalDelay", [T(shape, np.int16)], [T(shape, np.int16)], samples=5, delay_length=n)


def overlap_add(s):
    for dtype, name in ((np.int16, "s16"), (np.float32, "f32")):
        for shape, step in (([1, 8], 8), ([1, 8], 3), ([4, 6], 2), ([2, 3, 5], 4), ([2, 1, 2, 7], 1), ([3, 1], 1)):
            out = shape[:-2] + [shape[-2] * step]
            add(s, f"overlap_{name}_{'x'.join(map(str, shape))}_{step}", "SignalOverlapAdd", [T(shape, dtype)], [T(out, dtype)], samples=4, T=TYPE[dtype], frame_step=step)


def cases(s):
    for make in (window, autoscale, rfft, energy, filter_bank, square_root, subtraction, pcan, log, framer, stacker, delay, overlap_add):
        make(s)
