"""The two detector series on their 5 minute grid, the labelled windows, and the windows that the agent would build.

Everything here mirrors graph/feed.Window: one slot per period, a slot without a reading is a gap, a gap is filled by the last
reading before it and counted, and a window with too many gaps, or whose newest reading is too old, decides nothing.
"""
import csv
import json
import pathlib
from datetime import datetime, timedelta

import numpy as np

STEP = timedelta(minutes=5)
SLOTS = 24        # two hours
MAX_GAPS = 12     # empty slots that a window may have
STALE = 6         # a newest reading older than this many slots decides nothing: stale_after in demo.toml
SPLIT = datetime(2015, 9, 15, 16, 0)   # before: training; from here on: held out

DATA = pathlib.Path(__file__).resolve().parents[2] / "firmware-config" / "demo" / "data"


class Series:
    """One detector. values has NaN where the detector gave nothing; start is the time of slot 0."""

    def __init__(self, name):
        with open(DATA / f"{name}.csv", newline="", encoding="utf-8") as f:
            rows = [(datetime.fromisoformat(r["timestamp"]), float(r["value"])) for r in csv.DictReader(f)]
        first = rows[0][0]
        self.start = first.replace(hour=0, minute=0, second=0)
        n = (rows[-1][0] - self.start) // STEP + 1
        self.values = np.full(n, np.nan)
        for t, v in rows:  # two readings in one slot: the later one stands, as in a register that is read once
            self.values[(t - self.start) // STEP] = v
        self.split = (SPLIT - self.start) // STEP
        self.name = name

    def time(self, slot):
        return self.start + slot * STEP

    def slot(self, t):
        return (t - self.start) // STEP

    def filled(self):
        """values with every gap filled by the last reading before it; NaN only before the first reading."""
        out = self.values.copy()
        for i in range(1, len(out)):
            if np.isnan(out[i]):
                out[i] = out[i - 1]
        return out

    def windows(self, slots=SLOTS, max_gaps=MAX_GAPS):
        """(ends, x): the last slot of each window that may decide, and its filled values, one row each."""
        gap = np.isnan(self.values)
        fill = self.filled()
        ends = [i for i in range(slots - 1, len(gap))
                if gap[i - slots + 1:i + 1].sum() <= max_gaps and not gap[i - STALE:i + 1].all() and not np.isnan(fill[i - slots + 1])]
        return np.array(ends), np.stack([fill[i - slots + 1:i + 1] for i in ends])


def labels(name):
    """The labelled anomaly windows of a series: [(start, end), ...]."""
    with open(DATA / "labels.json", encoding="utf-8") as f:
        raw = json.load(f)[f"realTraffic/{name}.csv"]
    return [tuple(datetime.fromisoformat(t) for t in w) for w in raw]
