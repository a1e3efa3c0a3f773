"""Simulated traffic for training only. No figure is ever reported on it.

A labelled incident is rare (two in the training part), so stretches of ordinary traffic get one painted in: a fall over a few
steps to a low, unsteady speed that lasts. Look-alikes are painted in as well and labelled as no incident: a single wrong
reading, traffic that is slow but flows, a detector that stands still at an ordinary speed. A stretch is one step longer than
the model's window; the last step is what the forecast should have said.
"""
import numpy as np


def low(rng, stretch, lasted, back, level, noise):
    """stretch with a low speed of lasted steps that ended back steps before its end."""
    w = stretch.copy()
    fall = int(rng.integers(1, 4))
    end = len(w) - back
    for k in range(min(lasted, end)):
        depth = min(1.0, (k + 1) / fall)
        i = end - min(lasted, end) + k
        w[i] = max(1.0, w[i] * (1 - depth) + depth * (level + rng.normal(0, noise)))
    return w


def incident(rng, stretch):
    """An incident of 2 to 16 steps that is going on in the window's last step; it may end with the step after."""
    back = int(rng.random() < 0.1)
    return low(rng, stretch, int(rng.integers(3, 18)), back, rng.uniform(3, 32), 8.0)


def passed(rng, stretch):
    """An incident that was over for at least one step within the window."""
    return low(rng, stretch, int(rng.integers(2, 16)), int(rng.integers(2, 10)), rng.uniform(3, 32), 8.0)


def slow(rng, stretch):
    """Traffic that is slow but flows."""
    return low(rng, stretch, int(rng.integers(2, 16)), int(rng.integers(0, 3)), rng.uniform(42, 56), 3.0)


def glitch(rng, stretch):
    """One wrong low reading, half of them in the window's last step."""
    w = stretch.copy()
    at = len(w) - 2 if rng.random() < 0.5 else int(rng.integers(0, len(w) - 1))
    w[at] = rng.uniform(25, 52)
    return w


def stuck(rng, stretch):
    """A detector that stands still."""
    w = stretch.copy()
    k = int(rng.integers(5, len(w) + 1))
    w[-k:] = w[-k]
    return w


def paint(rng, stretches, each):
    """(stretches, labels): each of every kind, twice as many incidents, made from randomly chosen ordinary stretches."""
    x, y = [], []
    for make, label, count in ((incident, 1.0, 2 * each), (passed, 0.0, each), (slow, 0.0, each), (glitch, 0.0, each), (stuck, 0.0, each // 4)):
        for w in stretches[rng.integers(0, len(stretches), count)]:
            x.append(make(rng, w))
            y.append(label)
    return np.array(x), np.array(y)
