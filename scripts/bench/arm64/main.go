// Command arm64 estimates the hot loops of the ARMv8 kernels without ARM hardware: it builds the arm64 test binaries, disassembles the innermost
// loop of each kernel, and lets llvm-mca step it through its models of four cores. The figures are cycles of these models: they compare one version of a
// loop with another and say nothing about the speed of a real core.
//
//	go run ./scripts/bench/arm64 [-update] [-peers]
//	go run ./scripts/bench/arm64 -count [-update] [-only REGEXP] [-top N] [-tier generic]
//
// It compares with cycles.txt beside it and fails where a loop takes more model cycles than there (beyond 2 %), or where the SDOT tile leaves more than a
// tenth of the bound of neoverse-n1 unused; -update writes the file anew. -peers does the same to the loops of LiteRT's arm64 package (peers.go) and
// prints the fastest of them beside ours.
//
// -count counts the instructions of one run of small models under qemu-user instead (counts.go), and compares with instructions.txt in the same way.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// llvm is the version whose models the golden figures are of; others have other models. Debian 12: apt-get install llvm-19.
const llvm = "-19"

// slack is by how much a figure may grow before the loop or model counts as slower.
const slack = 1.02

var cores = []string{"cortex-a53", "cortex-a55", "cortex-a72", "neoverse-n1"}

// kernel is a function whose innermost loop is looked at.
type kernel struct {
	pkg, fn string
	macs    int      // multiply-adds of one turn of the loop, or values of an element-wise function
	cores   []string // that have its instructions; nil: all
}

var dot = []string{"cortex-a55", "neoverse-n1"}

var kernels = []kernel{
	{"gemm", "s8NeonR4x4", 256, nil},
	{"gemm", "s8NeonR2x4", 128, nil},
	{"gemm", "s8NeonR1x4", 64, nil},
	{"gemm", "s8NeonWideR4x4", 256, nil},
	{"gemm", "s8DotprodR8x8", 1024, dot},
	{"gemm", "s8DotprodR4x8", 512, dot},
	{"gemm", "s8DotprodR1x8", 128, dot},
	{"gemm", "f32NeonR8x8", 256, nil},
	{"gemm", "f32NeonR4x8", 128, nil},
	{"gemm", "f32MixedR8x8", 256, dot},
	{"gemm", "f32MixedR4x8", 128, dot},
	{"gemm", "f32NeonR1x8", 32, nil},
	{"conv", "dwS8x16Nine", 144, nil},
	{"conv", "dwS8x16NineExact", 144, nil},
	{"conv", "dwS8x16Any", 64, nil},
	{"conv", "dwS8x8Nine", 72, nil},
	{"conv", "dwF32x16Nine", 144, nil},
	{"conv", "dwF32x16Any", 64, nil},
	{"conv", "winogradInNeon", 64, nil}, // results that its squares make
	{"conv", "winogradOutNeon", 64, nil},
	{"pool", "maxF32Neon", 16, nil},
	{"pool", "averageF32Neon", 16, nil},
	{"pool", "maxS8Neon", 64, nil},
	{"pool", "averageS8Neon", 16, nil},
	{"vec", "sumAlongF32Neon", 16, nil},
	{"vec", "sumAlongS8Neon", 16, nil},
	{"vec", "sumAcrossF32Neon", 16, nil},
	{"vec", "sumAcrossS8Neon", 16, nil},
	{"vec", "lookupS8", 64, nil},
	{"vec", "sumS8", 16, nil},
	{"vec", "addPairF32Neon", 16, nil},
	{"vec", "expF32Neon", 16, nil},
	{"vec", "logisticF32Neon", 16, nil},
	{"vec", "tanhF32Neon", 16, nil},
	{"vec", "geluF32Neon", 16, nil},
	{"vec", "geluTanhF32Neon", 16, nil},
	{"vec", "softmaxF32Neon", 16, nil},
	{"vec", "layerNormF32Neon", 16, nil},
	{"vec", "softmaxSumS8Neon", 8, nil},
	{"vec", "softmaxShareS8Neon", 16, nil},
}

func main() {
	update := flag.Bool("update", false, "write cycles.txt, or with -count instructions.txt, anew")
	peers := flag.Bool("peers", false, "compare with LiteRT's loops; wants pip for the download")
	counting := flag.Bool("count", false, "count the instructions of small models; wants qemu-user-static")
	tier := flag.String("tier", "", "with -count: print the counts of kernels up to this tier, and compare nothing")
	top := flag.Int("top", 0, "with -count: list so many functions of each model")
	only := flag.String("only", "", "with -count: a regular expression for what is counted, as in \"kws.* on cortex-a53\"")
	flag.Parse()
	match, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	here, err := exec.Command("go", "list", "-f", "{{.Dir}}", "wayside/scripts/bench/arm64").Output()
	switch dir := strings.TrimSpace(string(here)); {
	case err != nil:
	case *counting:
		err = countModels(dir, *update, *tier, *top, match)
	default:
		err = run(dir, *update, *peers)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(here string, update, peers bool) error {
	golden := filepath.Join(here, "cycles.txt")
	dir, err := os.MkdirTemp("", "arm64-cycles-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var table bytes.Buffer
	fmt.Fprintf(&table, "# Model cycles of llvm-mca%s for one turn of each kernel's innermost loop: not the speed of any core.\n", llvm)
	fmt.Fprintf(&table, "# %-22s %-12s %9s %9s %15s %15s\n", "kernel", "model", "cycles", "bound", "per cycle", "of the bound")
	var bad []error
	binaries, ours := make(map[string]string), make(map[string]float64)
	for _, k := range kernels {
		if binaries[k.pkg] == "" {
			if binaries[k.pkg], err = build(dir, k.pkg); err != nil {
				return err
			}
		}
		loop, err := hotLoop(binaries[k.pkg], k.pkg, k.fn)
		if err != nil {
			return fmt.Errorf("%s: %w", k.fn, err)
		}
		models := k.cores
		if models == nil {
			models = cores
		}
		for _, core := range models {
			cycles, bound, err := model(loop, core)
			if err != nil {
				return fmt.Errorf("%s on %s: %w", k.fn, core, err)
			}
			fmt.Fprintf(&table, "%-24s %-12s %9.1f %9.1f %15.2f %15.2f\n", k.fn, core, cycles, bound, float64(k.macs)/cycles, bound/cycles)
			ours[k.fn+" on "+core] = float64(k.macs) / cycles
			if k.fn == "s8DotprodR8x8" && core == "neoverse-n1" && bound/cycles < 0.9 {
				bad = append(bad, fmt.Errorf("%s: %.2f of the bound of %s, must be at least 0.9", k.fn, bound/cycles, core))
			}
		}
	}
	fmt.Print(table.String())
	if peers {
		bad = append(bad, comparePeers(ours))
	}
	if update {
		bad = append(bad, os.WriteFile(golden, table.Bytes(), 0o600))
		return errors.Join(bad...)
	}
	old, err := os.ReadFile(golden)
	if err != nil {
		return err
	}
	return errors.Join(append(bad, compare("cycles.txt", "model cycles", string(old), table.String())...)...)
}

// compare returns an error for every row with a larger figure than in the golden table of this file, or that stands in only one of the two.
func compare(file, unit, old, now string) (bad []error) {
	was, is := parse(old), parse(now)
	for key, c := range is {
		switch o, ok := was[key]; {
		case !ok:
			bad = append(bad, fmt.Errorf("%s: not in %s; run with -update", key, file))
		case c > o*slack:
			bad = append(bad, fmt.Errorf("%s: %.1f %s, %.1f before", key, c, unit, o))
		}
	}
	for key := range was {
		if _, ok := is[key]; !ok {
			bad = append(bad, fmt.Errorf("%s: only in %s; run with -update", key, file))
		}
	}
	return bad
}

// parse returns the figures of a table, cycles or instructions, by its first two columns.
func parse(table string) map[string]float64 {
	out := make(map[string]float64)
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if strings.HasPrefix(line, "#") || len(f) < 3 {
			continue
		}
		if c, err := strconv.ParseFloat(f[2], 64); err == nil {
			out[f[0]+" on "+f[1]] = c
		}
	}
	return out
}

// build makes the arm64 test binary of a package of kernels.
func build(dir, pkg string) (string, error) {
	out := filepath.Join(dir, pkg)
	c := exec.Command("go", "test", "-c", "-o", out, "wayside/kernels/"+pkg)
	c.Env, c.Stderr = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0"), os.Stderr
	return out, c.Run()
}

var (
	instruction = regexp.MustCompile(`^ *([0-9a-f]+): *\t?\s*(.*)$`)
	branch      = regexp.MustCompile(`^(?:(?:b(?:\.\w+)?|cbn?z\s+\w+,|tbn?z\s+\w+, #\w+,)\s+(?:#)?0x([0-9a-f]+)|(?:bl|br|blr|ret)\b)`)
)

// hotLoop returns the longest loop of a function that has no other branch inside, without its own branch. Some functions are called by name, most through
// a table.
func hotLoop(binary, pkg, symbol string) (string, error) {
	all, err := loops("--disassemble-symbols="+symbol+",wayside/kernels/"+pkg+"."+symbol+".abi0", binary)
	if err != nil {
		return "", err
	}
	var best []string
	for _, l := range all {
		if len(l.body) > len(best) {
			best = l.body
		}
	}
	if best == nil {
		return "", errors.New("no loop in " + symbol)
	}
	return strings.Join(best, "\n") + "\n", nil
}

// loop is a loop without any other branch or call inside.
type loop struct {
	at   uint64
	body []string // without its own branch
}

// loops returns what llvm-objdump with these arguments finds.
func loops(args ...string) (found []loop, err error) {
	args = append([]string{"-d", "--no-show-raw-insn", "--mattr=+dotprod,+i8mm,+fullfp16,+bf16,+sve2,+sme"}, args...)
	out, err := exec.Command("llvm-objdump"+llvm, args...).Output()
	if err != nil {
		return nil, err
	}
	var body []string
	var from []uint64
	for line := range strings.Lines(string(out)) {
		m := instruction.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		at, err := strconv.ParseUint(m[1], 16, 64)
		if err != nil {
			return nil, err
		}
		text := strings.Join(strings.Fields(m[2]), " ")
		b := branch.FindStringSubmatch(text)
		if b == nil {
			body, from = append(body, text), append(from, at)
			continue
		}
		if b[1] != "" {
			to, err := strconv.ParseUint(b[1], 16, 64)
			if err != nil {
				return nil, err
			}
			if i := slices.Index(from, to); i >= 0 {
				found = append(found, loop{to, body[i:]})
			}
		}
		body, from = nil, nil // nothing behind a branch is one loop with what stands before it
	}
	return found, nil
}

var (
	totalCycles = regexp.MustCompile(`Total Cycles: +(\d+)`)
	throughput  = regexp.MustCompile(`Block RThroughput: +([\d.]+)`)
)

// model returns the cycles of one turn of a loop in steady state, and the bound that the model's units set.
func model(loop, core string) (cycles, bound float64, err error) {
	var total [2]float64
	for i, turns := range []int{100, 300} {
		c := exec.Command("llvm-mca"+llvm, "-mtriple=aarch64", "-mattr=+dotprod,+i8mm", "-mcpu="+core, "-iterations="+strconv.Itoa(turns))
		c.Stdin, c.Stderr = strings.NewReader(loop), os.Stderr
		out, err := c.Output()
		if err != nil {
			return 0, 0, err
		}
		t, b := totalCycles.FindSubmatch(out), throughput.FindSubmatch(out)
		if t == nil || b == nil {
			return 0, 0, errors.New("llvm-mca prints no figures")
		}
		if total[i], err = strconv.ParseFloat(string(t[1]), 64); err != nil {
			return 0, 0, err
		}
		if bound, err = strconv.ParseFloat(string(b[1]), 64); err != nil {
			return 0, 0, err
		}
	}
	return (total[1] - total[0]) / 200, bound, nil
}
