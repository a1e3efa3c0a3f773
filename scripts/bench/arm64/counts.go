package main

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// target is a CPU of qemu-user and the binary for it.
type target struct {
	arch, qemu, cpu string
}

var targets = []target{
	{"arm64", "qemu-aarch64-static", "cortex-a53"}, // tier neon
	{"arm64", "qemu-aarch64-static", "cortex-a76"}, // tier dotprod
	{"arm", "qemu-arm-static", "cortex-a7"},        // tier neon of ARMv7
}

// counted is a model whose instructions are counted.
type counted struct {
	name string
	path string // from the root of the repository
	test string // the model is this case of the golden cases in path
}

const (
	demo   = "firmware-config/demo/"
	cases  = "graph/graphtest/testdata/tflite/"
	shared = "../shared/models/" // beside the repository, not everywhere
)

var models = []counted{
	{"incident-1.0.0", demo + "models/incident-1.0.0.tflite", ""},
	{"incident-2.0.0", demo + "releases/incident-2.0.0/model.tflite", ""},
	{"incident-4.0.0", demo + "releases/incident-4.0.0/model.tflite", ""},
	{"forecast-1.0.0", demo + "models/forecast-1.0.0.onnx", ""}, // a GRU
	{"lstm-int8", cases + "recurrent.json.gz", "unilstm_s8_long"},
	{"lstm-float32", cases + "recurrent.json.gz", "unilstm_f32_long"},
	{"conv-float32", cases + "conv.json.gz", "conv_f32_1_none"},
	{"kws_ref_model", shared + "mlperf/kws_ref_model.tflite", ""},
	{"ad01_int8", shared + "mlperf/ad01_int8.tflite", ""},
	{"vww_96_float", shared + "mlperf/vww_96_float.tflite", ""},
	{"pretrainedResnet", shared + "mlperf/pretrainedResnet.tflite", ""},
}

// countModels prints how many instructions of the packages kernels and graph one run of each model takes, and compares with instructions.txt. With a tier other
// than the CPU's it only prints. It counts what matches only, of "model on cpu", and lists so many functions of each as top says.
func countModels(here string, update bool, tier string, top int, only *regexp.Regexp) error {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "arm64-counts-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(here, "instructions.txt")
	old, err := os.ReadFile(file)
	if err != nil && !update {
		return err
	}
	programs := make(map[string]*program)
	for _, t := range targets {
		if programs[t.arch] == nil {
			if programs[t.arch], err = newProgram(dir, t.arch); err != nil {
				return err
			}
		}
	}
	var table bytes.Buffer
	fmt.Fprintln(&table, "# Instructions of the packages kernels and graph in one run, counted under qemu-user: not the speed of any core.")
	fmt.Fprintf(&table, "# %-18s %-12s %13s %14s %18s\n", "model", "cpu", "instructions", "multiply-adds", "per multiply-add")
	fmt.Print(table.String())
	skipped := 0
	for _, m := range models {
		path := filepath.Join(strings.TrimSpace(string(root)), m.path)
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) && strings.HasPrefix(m.path, shared) {
			skipped++
			m.path = ""
		}
		if m.test != "" {
			if path, err = unpack(dir, path, m.test); err != nil {
				return err
			}
		}
		for _, t := range targets {
			if m.path == "" || !only.MatchString(m.name+" on "+t.cpu) {
				table.WriteString(row(string(old), m.name, t.cpu))
				continue
			}
			c, runs, macs, err := programs[t.arch].runs(t, path, tier)
			if err != nil {
				return fmt.Errorf("%s on %s: %w", m.name, t.cpu, err)
			}
			n := float64(c.all()) / float64(runs)
			line := fmt.Sprintf("%-20s %-12s %13.0f %14d %18.3f\n", m.name, t.cpu, n, macs, n/float64(macs))
			table.WriteString(line)
			fmt.Print(line)
			for _, f := range c.top(top) {
				fmt.Printf("    %5.1f %%  %s\n", 100*float64(c[f])/float64(c.all()), f)
			}
		}
	}
	if skipped > 0 {
		fmt.Printf("skipped: %d models, since %s is not there; their figures in instructions.txt are left as they are\n", skipped, shared)
	}
	switch {
	case tier != "":
		return nil
	case update:
		return os.WriteFile(file, table.Bytes(), 0o600)
	}
	return errors.Join(compare("instructions.txt", "instructions", string(old), table.String())...)
}

// row returns the row of a model and a CPU in a table, with its end of line; nothing where there is none.
func row(table, model, cpu string) string {
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == model && f[1] == cpu {
			return line
		}
	}
	return ""
}

// unpack writes the model of a golden case into dir.
func unpack(dir, path, name string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return "", err
	}
	for d := json.NewDecoder(z); d.More(); {
		var c struct {
			Name  string
			Model []byte
		}
		if err := d.Decode(&c); err != nil {
			return "", err
		}
		if c.Name == name {
			out := filepath.Join(dir, name+".tflite")
			return out, os.WriteFile(out, c.Model, 0o600)
		}
	}
	return "", fmt.Errorf("no case %s in %s", name, path)
}

// program is cmd/wayside for one architecture.
type program struct {
	dir, path string
	ranges    string // of addresses that are counted, as qemu's -dfilter takes them
}

func newProgram(dir, arch string) (*program, error) {
	p := &program{dir: dir, path: filepath.Join(dir, "wayside-"+arch)}
	c := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", p.path, "wayside/cmd/wayside")
	c.Env, c.Stderr = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "GOARM=7", "CGO_ENABLED=0"), os.Stderr
	if err := c.Run(); err != nil {
		return nil, err
	}
	symbols, err := exec.Command("go", "tool", "nm", "-n", p.path).Output()
	if err != nil {
		return nil, err
	}
	p.ranges, err = ranges(symbols)
	return p, err
}

// isCounted reports whether the work of a run is in a package: in kernels or graph, but not in what measures, reads and loads.
func isCounted(pkg string) bool {
	switch pkg {
	case "wayside/graph", "wayside/graph/ops", "wayside/graph/tensor":
		return true
	}
	return strings.HasPrefix(pkg+"/", "wayside/kernels/") && pkg != "wayside/kernels/internal/peak"
}

// ranges returns the addresses of the counted packages from what go tool nm -n prints. Static functions of assembly have no package in their names: they
// stand behind a function of theirs.
func ranges(symbols []byte) (string, error) {
	var out []string
	var start uint64
	in := false
	for line := range bytes.Lines(symbols) {
		f := strings.Fields(string(line))
		if len(f) < 3 || f[1] != "T" && f[1] != "t" {
			continue
		}
		at, err := strconv.ParseUint(f[0], 16, 64)
		if err != nil {
			return "", err
		}
		pkg, ok := packageOf(f[2])
		switch is := isCounted(pkg); {
		case !ok || is == in:
		case is:
			start, in = at, true
		default:
			out, in = append(out, fmt.Sprintf("%#x..%#x", start, at-1)), false
		}
	}
	if in || out == nil {
		return "", errors.New("go tool nm lists no end of the packages kernels and graph")
	}
	return strings.Join(out, ","), nil
}

// packageOf returns the package in the name of a symbol.
func packageOf(symbol string) (pkg string, ok bool) {
	symbol, _, _ = strings.Cut(symbol, "[")
	slash := strings.LastIndexByte(symbol, '/') + 1
	name, _, ok := strings.Cut(symbol[slash:], ".")
	return symbol[:slash] + name, ok
}

// runs returns the instructions of some runs of a model, by function, and the multiply-adds of one: the difference of several samples and one, so that loading
// and the first run cancel out. Loading varies by some hundred instructions from time to time, which would show in two runs of a small model.
func (p *program) runs(t target, model, tier string) (c counts, runs int, macs int64, err error) {
	out, err := p.command(t, tier, nil, "inspect", "--json", model).Output()
	if err != nil {
		return nil, 0, 0, err
	}
	var info struct {
		Inputs []struct {
			DType string
			Shape []int
		}
		Steps []struct{ MACs int64 }
	}
	if err := json.Unmarshal(out, &info); err != nil {
		return nil, 0, 0, err
	}
	for _, s := range info.Steps {
		macs += s.MACs
	}
	runs = 2
	if macs < 50_000 {
		runs = 20
	}
	var of [2]counts
	for i, samples := range []int{1, 1 + runs} {
		args := []string{"infer", model, "--rows", "--out", filepath.Join(p.dir, "out.npz")}
		for j, in := range info.Inputs {
			file := filepath.Join(p.dir, fmt.Sprintf("in%d.npy", j))
			npy, err := sameRows(in.DType, in.Shape, samples)
			if err != nil {
				return nil, 0, 0, err
			}
			if err := os.WriteFile(file, npy, 0o600); err != nil {
				return nil, 0, 0, err
			}
			args = append(args, "--in", file)
		}
		if of[i], err = p.counts(t, tier, args); err != nil {
			return nil, 0, 0, err
		}
	}
	c = of[1]
	for function, n := range of[0] {
		c[function] -= n
	}
	if c.all() <= 0 {
		return nil, 0, 0, errors.New("qemu logs no instructions")
	}
	return c, runs, macs, nil
}

// sameRows is an .npy file of the same random sample, so often: what depends on values then costs the same in each run.
func sameRows(dtype string, shape []int, samples int) ([]byte, error) {
	r := rand.New(rand.NewPCG(1, 2))
	elems := 1
	dims := strconv.Itoa(samples) + ","
	for _, d := range shape {
		elems *= d
		dims += strconv.Itoa(d) + ","
	}
	var descr string
	var sample []byte
	for range elems {
		switch dtype {
		case "float32":
			descr = "<f4"
			b, err := binary.Append(sample, binary.LittleEndian, r.Float32()*2-1)
			if err != nil {
				return nil, err
			}
			sample = b
		case "int8":
			descr = "|i1"
			sample = append(sample, byte(r.Uint32()))
		default:
			return nil, errors.New("no samples for inputs of " + dtype)
		}
	}
	head := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, dims)
	head += strings.Repeat(" ", 63-(10+len(head))%64) + "\n"
	file := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(head)))
	return append(append(file, head...), bytes.Repeat(sample, samples)...), nil
}

// command runs the program under qemu. Preemption and the garbage collector are off: the less of them interrupts, the better counts repeat.
func (p *program) command(t target, tier string, flags []string, args ...string) *exec.Cmd {
	c := exec.Command(t.qemu, slices.Concat([]string{"-cpu", t.cpu}, flags, []string{p.path}, args)...)
	c.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1", "WAYSIDE_KERNELS="+tier)
	c.Stderr = os.Stderr
	return c
}

// counts runs the program and counts from qemu's log, which comes through a pipe.
func (p *program) counts(t target, tier string, args []string) (counts, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	// ExtraFiles[0] is file 3 of the process.
	c := p.command(t, tier, []string{"-d", "exec,nochain,in_asm", "-dfilter", p.ranges, "-D", "/dev/fd/3"}, args...)
	c.ExtraFiles = []*os.File{w}
	err = c.Start()
	w.Close()
	if err != nil {
		return nil, err
	}
	n, err := countLog(r)
	_, _ = io.Copy(io.Discard, r) // a process that cannot write its log would wait for ever
	return n, errors.Join(err, c.Wait())
}

// counts is numbers of instructions by function.
type counts map[string]int64

func (c counts) all() (sum int64) {
	for _, n := range c {
		sum += n
	}
	return sum
}

// top returns the n functions with the most instructions.
func (c counts) top(n int) []string {
	var names []string
	for f := range c {
		names = append(names, f)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(c[b], c[a]), cmp.Compare(a, b)) })
	return names[:min(n, len(names))]
}

// countLog reads a log of qemu with -d exec,nochain,in_asm: how many instructions a block of code has stands in it once, when qemu translates the block; then
// there is one line each time that it runs. Memory grows with the code, not with the log.
//
//	IN: wayside/kernels/vec.add
//	0x001c7050:  f85f03a1  ldur     x1, [x29, #-0x10]
//	0x001c7054:  d65f03c0  ret
//
//	Trace 0: 0x7fc5f480b600 [0000000000001001/00000000001c7050/00000001/00080200] wayside/kernels/vec.add
//	Stopped execution of TB chain before 0x7fc5f480b600 [00000000001c7050] wayside/kernels/vec.add
func countLog(log io.Reader) (counts, error) {
	type block struct {
		instructions int64
		function     *int64
	}
	blocks, functions := make(map[uint64]*block), make(map[string]*int64)
	var listed *block // whose instructions follow
	inside := false   // a listing
	in := bufio.NewReaderSize(log, 1<<16)
	for {
		line, err := in.ReadSlice('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		line = bytes.TrimSuffix(line, []byte("\n"))
		switch {
		case bytes.HasPrefix(line, []byte("IN: ")), bytes.Equal(line, []byte("IN:")):
			inside, listed = true, nil
		case inside && bytes.HasPrefix(line, []byte("0x")):
			if listed == nil {
				at, _, _ := bytes.Cut(line[2:], []byte(":"))
				pc, err := strconv.ParseUint(string(at), 16, 64)
				if err != nil {
					return nil, fmt.Errorf("qemu's log: %q: %w", line, err)
				}
				listed = &block{}
				blocks[pc] = listed // qemu may translate a block again, in another length
			}
			listed.instructions++
		case bytes.HasPrefix(line, []byte("Trace ")), bytes.HasPrefix(line, []byte("Stopped execution ")):
			inside = false
			pc, function, err := parseRun(line)
			if err != nil {
				return nil, err
			}
			b := blocks[pc]
			if b == nil {
				return nil, fmt.Errorf("qemu's log: %q runs, but was not listed", line)
			}
			if b.function == nil {
				if functions[string(function)] == nil {
					functions[string(function)] = new(int64)
				}
				b.function = functions[string(function)]
			}
			if line[0] == 'S' {
				*b.function -= b.instructions // it was said to run, but did not
			} else {
				*b.function += b.instructions
			}
		}
	}
	out := make(counts)
	for f, n := range functions {
		out[f] = *n
	}
	return out, nil
}

// parseRun returns the address of the block that a line says runs, and the function that it is in.
func parseRun(line []byte) (pc uint64, function []byte, err error) {
	_, rest, _ := bytes.Cut(line, []byte("["))
	place, function, ok := bytes.Cut(rest, []byte("]"))
	if parts := bytes.Split(place, []byte("/")); len(parts) > 1 {
		place = parts[1]
	}
	if !ok {
		return 0, nil, fmt.Errorf("qemu's log: no address in %q", line)
	}
	if pc, err = strconv.ParseUint(string(place), 16, 64); err != nil {
		return 0, nil, fmt.Errorf("qemu's log: %q: %w", line, err)
	}
	return pc, bytes.TrimSpace(function), nil
}
