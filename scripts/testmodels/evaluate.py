"""Event F1 with the rule as deployed, and mean absolute errors."""
import numpy as np


def alarms(ends, score, rule):
    """Alarm runs [(first slot, last slot), ...] of a score under the demo's rule: above on_above for hold_steps decisions in a
    row switches on, below off_below switches off. More than lease_steps without a decision ends a run too, as the lease would."""
    runs, on, held, last = [], False, 0, None
    for slot, s in zip(ends, score):
        if last is not None and slot - last > rule["lease_steps"]:
            on, held = False, 0
        last = slot
        if on:
            if s < rule["off_below"]:
                on, held = False, 0
            else:
                runs[-1][1] = slot
            continue
        held = held + 1 if s > rule["on_above"] else 0
        if held >= rule["hold_steps"]:
            on = True
            runs.append([slot, slot])
    return runs


def events(runs, windows):
    """Counts of labelled windows (slot pairs) that an alarm began in, that none began in, and of alarms outside all of them."""
    found = sum(any(a <= r[0] <= b for r in runs) for a, b in windows)
    false = [r for r in runs if not any(a <= r[0] <= b for a, b in windows)]
    missed = len(windows) - found
    f1 = 2 * found / (2 * found + missed + len(false)) if windows or false else float("nan")
    return {"found": found, "missed": missed, "false_alarms": len(false), "f1": f1, "false": false}


def mae(a, b):
    """Mean absolute difference."""
    return float(np.mean(np.abs(np.asarray(a) - np.asarray(b))))
