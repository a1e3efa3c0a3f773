"""Compares wayside with the engines that its users would otherwise pick: the same models, alternating rounds, a fresh process per engine and round, AMX refused.

  (no mode)   time of one run: the best peer's time divided by ours, and every engine's median
  --tiers     wayside with kernels capped at avx2 against wayside as it is
  --start     from the start of the process to the first result, loading, resident memory
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PEERS = {".tflite": ["xnnpack", "openvino"], ".onnx": ["onnxruntime", "openvino"]}
TITLES = {"wayside": "Wayside", "xnnpack": "LiteRT+XNNPACK", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "avx2": "Wayside, avx2"}
TIMEOUT = 300


def command(engine, model, threads, seconds, args):
    if engine in ("wayside", "avx2"):
        tier = ["--tier", "avx2"] if engine == "avx2" else []
        return [args.wayside, "bench", str(model), "--threads", str(threads), "--seconds", str(max(seconds, 0.01)), "--json", *tier]
    return [sys.executable, str(HERE / "engine.py"), engine, str(model), str(threads), str(seconds)]


def complaint(failure):
    """What a failing verb's JSON says, in one line."""
    if nodes := failure.get("unsupported"):
        return f"{counted(len(nodes), 'unsupported node')}: " + ", ".join(sorted({n["op"] for n in nodes}))
    return (failure["error"].splitlines() or ["?"])[0]


def measure(engine, model, threads, seconds, args):
    """One fresh process; returns its figures, or the last line of its complaint."""
    try:
        done = subprocess.run(command(engine, model, threads, seconds, args), capture_output=True, text=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return {"error": f"no result within {TIMEOUT} s"}
    if done.returncode:
        text = done.stderr.strip() or done.stdout.strip()
        if engine in ("wayside", "avx2"):
            return {"error": complaint(json.loads(done.stdout) if done.stdout.startswith("{") else {"error": text})}
        return {"error": (text.splitlines() or [f"exit code {done.returncode}"])[-1][:200]}
    if engine in ("wayside", "avx2"):
        full = json.loads(done.stdout)
        return {k: full[k] for k in ("median_us", "best_us", "p99_us", "runs", "load_ms", "first_ms", "rss_kib", "tier", "macs")}
    figures = {}
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            figures |= json.loads(line)
    return figures


def first_result(engine, model, threads, args, folder):
    """Milliseconds from the start of a process to its first result, and what loading took of it."""
    if engine == "wayside":
        inputs = []
        about = json.loads(subprocess.run([args.wayside, "inspect", str(model), "--json"], capture_output=True, text=True).stdout)
        if "error" in about:
            return {"error": complaint(about)}
        import numpy as np
        for i in about["inputs"]:
            path = folder / f"{model.name}-{i['index']}.npy"
            if not path.exists():
                np.save(path, np.zeros(i["shape"], i["dtype"]))
            inputs += ["--in", f"{i['name']}={path}"]
        line = [args.wayside, "infer", str(model), "--threads", str(threads), "--out", str(folder / "out.npz"), *inputs]
    else:
        line = command(engine, model, threads, 0, args)
    start = time.perf_counter()
    child = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    first = child.stdout.readline()
    took = (time.perf_counter() - start) * 1e3
    child.communicate()
    if child.returncode or not first:
        return {"error": f"exit code {child.returncode}"}
    figures = {"start_ms": took}
    return figures | (json.loads(first) if engine != "wayside" else {})


def spread(values):
    """median (least to greatest) of ratios"""
    text = f"{statistics.median(values):.2f}"
    return text if len(values) < 2 else f"{text} ({min(values):.2f} to {max(values):.2f})"


def micros(us):
    return f"{us:,.1f}" if us < 100 else f"{us:,.0f}"


class Comparison:
    def __init__(self, args, engines_of):
        self.args, self.engines_of = args, engines_of
        self.results = []           # one entry per model, threads, round, engine
        self.began = datetime.datetime.now().astimezone()
        self.load = [os.getloadavg()[0]]

    def rounds(self, one):
        """Calls one(engine, model, threads) for all, in alternating rounds; an engine that failed is not asked again."""
        failed = set()
        for number in range(self.args.rounds):
            for threads in self.args.threads:
                for model in self.args.model:
                    engines = self.engines_of(model)
                    for engine in engines[number % len(engines):] + engines[:number % len(engines)]:
                        if (engine, model) in failed:
                            continue
                        figures = one(engine, model, threads)
                        self.results.append({"model": model.name, "threads": threads, "round": number, "engine": engine, **figures})
                        if "error" in figures:
                            failed.add((engine, model))
                        print(f"round {number + 1}, {counted(threads, 'thread')}, {model.name}, {engine}: "
                              + figures.get("error", f"{figures.get('start_ms', figures.get('median_us', 0) / 1e3):.3f} ms"), file=sys.stderr, flush=True)
        self.load.append(os.getloadavg()[0])

    def of(self, **want):
        return [r for r in self.results if all(r.get(k) == v for k, v in want.items())]

    def about(self):
        versions = {r["package"]: r["version"] for r in self.results if "package" in r}
        cpu = platform.processor() or platform.machine()
        try:
            with open("/proc/cpuinfo", encoding="utf-8") as f:
                cpu = next(line.split(":", 1)[1].strip() for line in f if line.startswith("model name"))
        except (OSError, StopIteration):
            pass
        commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True).stdout.strip()
        return {"date": self.began.isoformat(timespec="seconds"), "cpu": cpu, "cpus": len(os.sched_getaffinity(0)), "system": f"{platform.system()} {platform.release()}",
                "wayside": commit, "tier": next((r["tier"] for r in self.results if r["engine"] == "wayside" and "tier" in r), ""),
                "versions": versions, "rounds": self.args.rounds, "seconds": self.args.seconds, "load_average": self.load, "note": self.args.note}

    def head(self):
        a = self.about()
        yield f"- {a['date'][:16]}, {a['cpu']}, {counted(a['cpus'], 'CPU')}, {a['system']}; AMX refused"
        yield f"- Wayside {a['wayside']}" + (f", {a['tier']} kernels" if a["tier"] else "") + "".join(f"; {k} {v}" for k, v in sorted(a["versions"].items()))
        yield f"- {a['rounds']} alternating rounds, {a['seconds']} s per engine, model and round, a fresh process each; load average {a['load_average'][0]:.1f} before, {a['load_average'][1]:.1f} after"
        if a["note"]:
            yield "- " + a["note"]


def counted(n, what):
    return f"{n} {what}" + ("" if n == 1 else "s")


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "| " + " | ".join("---" for _ in head) + " |"
    for r in rows:
        yield "| " + " | ".join(r) + " |"


def failures(c):
    seen = {(r["model"], r["engine"]): r["error"] for r in c.results if "error" in r}
    if seen:
        yield ""
        yield "Not run:"
        yield ""
        for (model, engine), text in sorted(seen.items()):
            yield f"- {model}, {TITLES[engine]}: {text}"


def times(args):
    """The comparison of speed."""
    c = Comparison(args, lambda m: ["wayside"] + PEERS[m.suffix])
    c.rounds(lambda engine, model, threads: measure(engine, model, threads, args.seconds, args))
    yield c
    for threads in args.threads:
        engines = ["wayside", "xnnpack", "onnxruntime", "openvino"]
        rows, ratios = [], []
        for model in args.model:
            per_round, medians = [], {}
            for number in range(args.rounds):
                now = {r["engine"]: r["median_us"] for r in c.of(model=model.name, threads=threads, round=number) if "median_us" in r}
                peers = [us for e, us in now.items() if e != "wayside"]
                if "wayside" in now and peers:
                    per_round.append(min(peers) / now["wayside"])
                for e, us in now.items():
                    medians.setdefault(e, []).append(us)
            fastest = {}
            for r in c.of(model=model.name, threads=threads):
                if "best_us" in r:
                    fastest[r["engine"]] = min(r["best_us"], fastest.get(r["engine"], r["best_us"]))
            peer = min((us for e, us in fastest.items() if e != "wayside"), default=0)
            best = min((e for e in medians if e != "wayside"), key=lambda e: statistics.median(medians[e]), default="")
            if per_round:
                ratios.append(statistics.median(per_round))
            rows.append([model.name, spread(per_round) if per_round else "—", f"{peer / fastest['wayside']:.2f}" if peer and "wayside" in fastest else "—", TITLES.get(best, "—")]
                        + [micros(statistics.median(medians[e])) if e in medians else "—" for e in engines])
        yield ""
        yield f"## {counted(threads, 'thread').capitalize()}"
        yield ""
        yield from table(["model", "best peer's time / ours", "of the fastest runs", "best peer"] + [f"{TITLES[e]}, µs" for e in engines], rows)
        if ratios:
            yield ""
            yield "The ratio is that of the medians of a round: its median over the rounds, and the least and greatest. The fastest run of all rounds suffers least from what else the machine does."
            yield f"Ahead or level on {sum(r >= 1 for r in ratios)} of {len(ratios)} models; geometric mean of the ratios {statistics.geometric_mean(ratios):.2f}."
        yield from both_formats(c, threads)
    yield from failures(c)


def both_formats(c, threads):
    """Networks that there are as .tflite and as .onnx: the best peer on either file against our best on either."""
    networks = {}
    for model in c.args.model:
        networks.setdefault(model.stem.replace("_qdq", "_s8"), []).append(model.name)
    rows = []
    for network, files in networks.items():
        ratios, ours, peers = [], [], {}
        for number in range(c.args.rounds):
            now = [r for name in files for r in c.of(model=name, threads=threads, round=number) if "median_us" in r]
            mine = [r["median_us"] for r in now if r["engine"] == "wayside"]
            theirs = {(r["engine"], r["model"]): r["median_us"] for r in now if r["engine"] != "wayside"}
            if mine and theirs:
                ratios.append(min(theirs.values()) / min(mine))
                ours.append(min(mine))
            for key, us in theirs.items():
                peers.setdefault(key, []).append(us)
        if len(files) > 1 and ratios:
            engine, name = min(peers, key=lambda key: statistics.median(peers[key]))
            rows.append([network, spread(ratios), micros(statistics.median(ours)), micros(statistics.median(peers[engine, name])), f"{TITLES[engine]}, {name}"])
    if rows:
        yield ""
        yield f"### {counted(threads, 'thread').capitalize()}: the best peer on either file"
        yield ""
        yield from table(["network", "best peer's time / ours", "Wayside, µs", "best peer, µs", "best peer"], rows)


def tiers(args):
    """Ours capped at avx2 against ours."""
    c = Comparison(args, lambda m: ["wayside", "avx2"])
    c.rounds(lambda engine, model, threads: measure(engine, model, threads, args.seconds, args))
    yield c
    for threads in args.threads:
        rows = []
        for model in args.model:
            got = {e: [r["median_us"] for r in c.of(model=model.name, threads=threads, engine=e) if "median_us" in r] for e in ("wayside", "avx2")}
            pairs = [a / w for a, w in zip(got["avx2"], got["wayside"])]
            rows.append([model.name, spread(pairs) if pairs else "—"] + [micros(statistics.median(v)) if v else "—" for v in got.values()])
        yield ""
        yield f"## {counted(threads, 'thread').capitalize()}"
        yield ""
        yield from table(["model", "capped at avx2 / uncapped", "Wayside, µs", "capped at avx2, µs"], rows)
    yield from failures(c)


def start(args):
    """Start of the process to the first result."""
    with tempfile.TemporaryDirectory() as folder:
        def one(engine, model, threads):
            figures = first_result(engine, model, threads, args, pathlib.Path(folder))
            if engine == "wayside" and "error" not in figures:
                figures |= {k: v for k, v in measure(engine, model, threads, 0, args).items() if k in ("load_ms", "first_ms", "rss_kib", "tier", "error")}
            return figures
        c = Comparison(args, lambda m: ["wayside"] + PEERS[m.suffix])
        args.seconds = 0
        c.rounds(one)
    yield c
    yield ""
    yield "Milliseconds from the start of the process to the first result, of that loading the model, and resident megabytes after it. Of the peers' memory the Python"
    yield "interpreter with NumPy is a part, and of their start its imports: a program in C++ would save both."
    for threads in args.threads:
        rows = []
        for model in args.model:
            row = [model.name]
            for engine in ["wayside", "xnnpack", "onnxruntime", "openvino"]:
                got = [r for r in c.of(model=model.name, threads=threads, engine=engine) if "start_ms" in r]
                row.append(" / ".join((f"{statistics.median(r['start_ms'] for r in got):,.0f}", f"{statistics.median(r['load_ms'] for r in got):,.1f}",
                                       f"{statistics.median(r['rss_kib'] for r in got) / 1024:,.0f}")) if got else "—")
            rows.append(row)
        yield ""
        yield f"## {counted(threads, 'thread').capitalize()}"
        yield ""
        yield from table(["model"] + [f"{TITLES[e]}: start / load / MB" for e in ("wayside", "xnnpack", "onnxruntime", "openvino")], rows)
    yield from failures(c)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--tiers", action="store_true")
    mode.add_argument("--start", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2, help="per engine, model and round")
    parser.add_argument("--threads", type=lambda s: [int(n) for n in s.split(",")], default=None, help="default: 1,2; with --start 1")
    parser.add_argument("--json", type=pathlib.Path, help="write every single figure into this file")
    parser.add_argument("--markdown", type=pathlib.Path, help="write the table into this file instead of printing it")
    parser.add_argument("--note", default="", help="a line for the head of the table: what else the machine did")
    parser.add_argument("--wayside", default=str(ROOT / "bin" / "wayside"))
    parser.add_argument("model", nargs="*", type=pathlib.Path, help="default: all of scripts/bench/models/out")
    args = parser.parse_args()
    args.threads = args.threads or ([1] if args.start else [1, 2])
    args.model = args.model or sorted(p for p in (ROOT / "scripts/bench/models/out").iterdir() if p.suffix in PEERS)
    for m in args.model:
        if m.suffix not in PEERS or not m.is_file():
            parser.error(f"{m} is no .tflite or .onnx file")
    lines = (tiers if args.tiers else start if args.start else times)(args)
    comparison = next(lines)
    title = "Capped at avx2" if args.tiers else "Start and memory" if args.start else "Comparison with other engines"
    text = "\n".join([f"# {title}", "", *comparison.head(), *lines]) + "\n"
    if args.json:
        args.json.write_text(json.dumps({"about": comparison.about(), "results": comparison.results}, indent=1) + "\n")
    if args.markdown:
        args.markdown.write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
