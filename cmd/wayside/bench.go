package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"wayside/graph"
	"wayside/graph/tensor"
	"wayside/kernels"
)

// benchJSON is what bench --json prints. Times of runs are in microseconds, with the time of reading the clock spread over short runs.
type benchJSON struct {
	Model    string          `json:"model"`
	Tier     string          `json:"tier"` // of the fastest kernels that were allowed
	Threads  int             `json:"threads"`
	Runs     int             `json:"runs"`
	MedianUS float64         `json:"median_us"`
	BestUS   float64         `json:"best_us"`
	P90US    float64         `json:"p90_us"`
	P99US    float64         `json:"p99_us"`
	LoadMS   float64         `json:"load_ms"`
	FirstMS  float64         `json:"first_ms"`
	RSSKiB   int64           `json:"rss_kib"`
	MACs     int64           `json:"macs"`
	GMACs    float64         `json:"gmac_per_s"`
	PeakS8   float64         `json:"peak_int8_gmac_per_s"` // what one core could do with these kernels' instructions; 0 where that is not known
	PeakF32  float64         `json:"peak_float32_gmac_per_s"`
	MaxHz    float64         `json:"max_hz"` // runs a second that fit the share of one CPU asked for, by the 99th percentile
	Share    float64         `json:"cpu_share"`
	Steps    []benchStepJSON `json:"steps"`
	Compared *benchJSON      `json:"compared,omitempty"`
}

type benchStepJSON struct {
	Op       string  `json:"op"`
	Name     string  `json:"name"`
	Kernel   string  `json:"kernel"`
	Depth    int     `json:"depth,omitempty"`
	MACs     int64   `json:"macs"`
	Bytes    int64   `json:"bytes"`
	MedianUS float64 `json:"median_us"` // null for steps inside a control operator, whose time is the operator's
}

type benchOptions struct {
	threads, runs  int
	seconds, share float64
	tier, compare  string
	cache          string
	shapes         []string
}

func newBenchCmd() *cobra.Command {
	var (
		o      benchOptions
		asJSON bool
		steps  bool
		each   bool
	)
	cmd := &cobra.Command{
		Use:   "bench MODEL | bench --kernels",
		Short: "how fast a model runs here, step by step, or every kernel",
		Long: `Run a model over and over on random inputs and say how long a run takes: median, best, 90th and 99th percentile, the time of loading
and of the first run, and the share of every step. The state of a model goes on from run to run.

--compare runs it with slower kernels too, alternating, to show what a smaller CPU of the family would do.

--kernels needs no model: it runs every kernel that this machine has on a few fixed shapes, and marks the one that models get.`,
		Example: `  wayside bench kws.tflite
  wayside bench kws.tflite --threads 2 --seconds 5 --steps
  wayside bench kws.tflite --compare generic
  wayside bench --kernels
  wayside bench kws.tflite --share 0.2 --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if each {
				return noModel(args)
			}
			return oneModel(cmd, args)
		},
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.threads < 1:
				return badInput(fmt.Errorf("bench: --threads %d: 1 or more are wanted", o.threads))
			case !(o.seconds > 0 && o.seconds <= 3600):
				return badInput(fmt.Errorf("bench: --seconds %v: more than 0 and at most 3600 are wanted", o.seconds))
			case o.runs < 0:
				return badInput(fmt.Errorf("bench: --runs %d: 0 (as many as fit) or more are wanted", o.runs))
			case !(o.share > 0 && o.share <= 1):
				return badInput(fmt.Errorf("bench: --share %v: more than 0 and at most 1 is wanted", o.share))
			}
			if o.tier == "" {
				o.tier = os.Getenv("WAYSIDE_KERNELS")
			}
			for _, tier := range []string{o.compare, o.tier} { // the last one holds
				if err := kernels.Limit(tier); err != nil {
					return badInput(fmt.Errorf("bench: %w", err))
				}
			}
			if each {
				return benchKernels(cmd, &o, asJSON)
			}
			m, err := benchModel(cmd, args[0], &o, newProgress(cmd.ErrOrStderr()))
			if err != nil {
				return fmt.Errorf("bench: %w", err)
			}
			if asJSON {
				return printJSON(cmd, m)
			}
			return printBench(cmd.OutOrStdout(), m, steps)
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.threads, "threads", 1, "threads that share the work of one run")
	f.Float64Var(&o.seconds, "seconds", 2, "how long to measure")
	f.IntVar(&o.runs, "runs", 0, "stop after this many runs (default: as many as fit into --seconds)")
	f.Float64Var(&o.share, "share", 1, "share of one CPU that the model may take, for the highest rate")
	f.StringVar(&o.tier, "tier", "", "use no kernels above this tier (default: WAYSIDE_KERNELS, else all)")
	f.StringVar(&o.compare, "compare", "", "measure with no kernels above this `TIER` too, alternating")
	f.StringArrayVar(&o.shapes, "shape", nil, "extents of an input with dynamic axes, `NAME=1,49,10,1`")
	cacheFlag(cmd, &o.cache)
	f.BoolVar(&steps, "steps", false, "list every step instead of the slowest")
	f.BoolVar(&each, "kernels", false, "measure every kernel of this machine on fixed shapes instead of a model")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	completeFlags(cmd, map[string]string{"shape": "", "threads": "", "seconds": "", "runs": "", "share": ""})
	for _, flag := range []string{"shape", "steps", "compare", "runs", "share", "cache"} {
		cmd.MarkFlagsMutuallyExclusive("kernels", flag)
	}
	for _, flag := range []string{"tier", "compare"} {
		must(cmd.RegisterFlagCompletionFunc(flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			names, _ := kernels.Tiers()
			return names, cobra.ShellCompDirectiveNoFileComp
		}))
	}
	return cmd
}

// bencher is one loaded model and what was measured of it.
type bencher struct {
	benchJSON
	session *graph.Session
	batch   int // runs between two looks at the clock
	times   []float64
	took    [][]int64 // per step, nanoseconds of each timed run
}

// shortest is the least time between two looks at the clock: reading it takes some 50 ns.
const shortest = 20 * time.Microsecond

// benchModel loads a model, with --compare twice, and measures in alternating bursts, so that what else the machine does falls on both.
func benchModel(cmd *cobra.Command, path string, o *benchOptions, progress *progress) (*benchJSON, error) {
	defer progress.end()
	threads := kernels.Threads(o.threads)
	all := []*bencher{}
	for i, limit := range []string{o.tier, o.compare} {
		if i == 1 && limit == "" {
			break
		}
		b, err := newBencher(cmd, path, limit, o)
		if err != nil {
			return nil, err
		}
		b.Threads = threads
		all = append(all, b)
	}
	const bursts = 40
	left := o.runs
	for burst := range bursts {
		for _, b := range all {
			budget := time.Duration(o.seconds * float64(time.Second) / bursts / float64(len(all)))
			if err := b.burst(budget, left); err != nil {
				return nil, err
			}
		}
		if o.runs > 0 {
			if left = o.runs - all[0].Runs; left <= 0 {
				break
			}
		}
		progress.at(burst+1, bursts)
	}
	for _, b := range all {
		b.sum(o.share)
	}
	if len(all) > 1 {
		all[0].Compared = &all[1].benchJSON
	}
	return &all[0].benchJSON, nil
}

func newBencher(cmd *cobra.Command, path, limit string, o *benchOptions) (*bencher, error) {
	if err := kernels.Limit(limit); err != nil {
		return nil, err
	}
	start := time.Now()
	plan, err := loadModel(cmd, path, o.shapes, o.cache)
	if err != nil {
		return nil, err
	}
	b := &bencher{batch: 1}
	b.Model, b.Tier, b.LoadMS = path, kernels.Best(), time.Since(start).Seconds()*1e3
	start = time.Now()
	b.session = plan.NewSession()
	r := rand.New(rand.NewPCG(1, 2))
	for i := range plan.Inputs() {
		fillInput(b.session.Input(i), r)
	}
	if err := b.session.Run(); err != nil {
		return nil, err
	}
	b.FirstMS = time.Since(start).Seconds() * 1e3
	b.RSSKiB = residentKiB()
	s8, f32 := kernels.Peak()
	b.PeakS8, b.PeakF32 = s8/1e9, f32/1e9
	for _, s := range plan.Steps() {
		b.Steps = append(b.Steps, benchStepJSON{Op: graph.CleanText(s.Op), Name: s.Name, Kernel: s.Kernel, Depth: s.Depth, MACs: s.MACs, Bytes: s.Bytes})
		b.MACs += s.MACs
	}
	b.took = make([][]int64, len(b.Steps))
	// A first measure, after warming up, of how many runs make a time worth reading.
	best := time.Hour
	for range 5 {
		start = time.Now()
		if err := b.session.Run(); err != nil {
			return nil, err
		}
		best = min(best, time.Since(start))
	}
	b.batch = int(max(1, shortest/max(best, time.Nanosecond)))
	return b, nil
}

// burst measures whole runs for three quarters of the time, and the steps of runs for the rest.
func (b *bencher) burst(budget time.Duration, most int) error {
	for start := time.Now(); ; {
		from := time.Now()
		for range b.batch {
			if err := b.session.Run(); err != nil {
				return err
			}
		}
		d := time.Since(from)
		b.times = append(b.times, d.Seconds()*1e6/float64(b.batch))
		b.Runs += b.batch
		if most > 0 && b.Runs >= most || time.Since(start) > budget*3/4 {
			break
		}
	}
	const most1 = 1000 // timed runs are kept for each step: more would be memory for nothing
	took := make([]int64, len(b.Steps))
	for start := time.Now(); len(b.took) > 0 && len(b.took[0]) < most1; {
		clear(took)
		if err := b.session.RunTimed(took); err != nil {
			return err
		}
		for i, t := range took {
			b.took[i] = append(b.took[i], t)
		}
		if time.Since(start) > budget/4 {
			break
		}
	}
	return nil
}

func (b *bencher) sum(share float64) {
	slices.Sort(b.times)
	at := func(q float64) float64 { return b.times[min(int(q*float64(len(b.times))), len(b.times)-1)] }
	b.BestUS, b.MedianUS, b.P90US, b.P99US = b.times[0], at(0.5), at(0.9), at(0.99)
	b.GMACs = float64(b.MACs) / b.MedianUS / 1e3
	b.Share, b.MaxHz = share, share*1e6/b.P99US
	for i := range b.Steps {
		if t := b.took[i]; len(t) > 0 {
			slices.Sort(t)
			b.Steps[i].MedianUS = float64(t[len(t)/2]) / 1e3
		}
	}
}

// fillInput writes random values: floats in −1..1, integers of 8 and 16 bits in their whole range, others zero (they are mostly indices and lengths).
func fillInput(t *tensor.Tensor, r *rand.Rand) {
	switch t.DType {
	case tensor.F32:
		for i := range t.F32() {
			t.F32()[i] = r.Float32()*2 - 1
		}
	case tensor.S8, tensor.U8, tensor.S16:
		for i := range t.Data {
			t.Data[i] = byte(r.Uint32())
		}
	}
}

// residentKiB returns the memory of this process that is in RAM, 0 where the system does not tell.
func residentKiB() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize()) / 1024
}

func printBench(w io.Writer, m *benchJSON, all bool) error {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
	p("%s: %s kernels, %s, on %s/%s\n", m.Model, m.Tier, counted(m.Threads, "thread"), runtime.GOOS, runtime.GOARCH)
	p("  one run   median %s, best %s, 90%% within %s, 99%% within %s; %s\n", micros(m.MedianUS), micros(m.BestUS), micros(m.P90US), micros(m.P99US), counted(m.Runs, "run"))
	p("  work      %.3f million multiply-accumulates a run, %.2f thousand million a second\n", float64(m.MACs)/1e6, m.GMACs)
	if m.PeakS8 > 0 {
		p("  peak      one core could do %.0f thousand million in int8 a second, %.0f in float32\n", m.PeakS8, m.PeakF32)
	}
	p("  rate      %.0f runs a second fit %.0f %% of one CPU\n", m.MaxHz, m.Share*100)
	p("  loading   %.1f ms, first run %.1f ms; %.1f MB resident\n", m.LoadMS, m.FirstMS, float64(m.RSSKiB)/1024)
	if c := m.Compared; c != nil {
		p("  compared  %s kernels: median %s, %.2f times as long\n", c.Tier, micros(c.MedianUS), c.MedianUS/m.MedianUS)
	}
	steps := slices.Clone(m.Steps)
	total := 0.0
	for i := range steps {
		total += steps[i].MedianUS
	}
	if !all {
		slices.SortStableFunc(steps, func(a, b benchStepJSON) int {
			switch {
			case a.MedianUS > b.MedianUS:
				return -1
			case a.MedianUS < b.MedianUS:
				return 1
			}
			return 0
		})
		if len(steps) > 12 {
			steps = steps[:12]
			p("\n  the 12 slowest of %d steps (--steps lists all):\n", len(m.Steps))
		}
	}
	t := &columns{indent: "  ", right: map[int]bool{0: true, 1: true, 2: true, 3: true}}
	t.row("time", "share", "GMAC/s", "of peak", "operator", "kernel", "name")
	for _, s := range steps {
		speed, ofPeak := "", ""
		if s.MACs > 0 && s.MedianUS > 0 {
			rate := float64(s.MACs) / s.MedianUS / 1e3
			speed = fmt.Sprintf("%.1f", rate)
			if peak := m.peak(s.Kernel) * float64(m.Threads); peak > 0 {
				ofPeak = fmt.Sprintf("%.0f %%", 100*rate/peak)
			}
		}
		t.row(micros(s.MedianUS), fmt.Sprintf("%.1f %%", 100*s.MedianUS/max(total, 1e-9)), speed, ofPeak, s.Op, s.Kernel, s.Name)
	}
	if len(steps) == 0 {
		return nil
	}
	return errors.Join(t.write(w))
}

// peak returns the peak for the types of a kernel: family/types/tile/isa.
func (m *benchJSON) peak(kernel string) float64 {
	_, types, _ := strings.Cut(kernel, "/")
	switch {
	case strings.HasPrefix(types, "s8"):
		return m.PeakS8
	case strings.HasPrefix(types, "f32"):
		return m.PeakF32
	}
	return 0
}

// micros writes a time of a run for people.
func micros(us float64) string {
	switch {
	case us < 100:
		return fmt.Sprintf("%.2f µs", us)
	case us < 10_000:
		return fmt.Sprintf("%.0f µs", us)
	}
	return fmt.Sprintf("%.2f ms", us/1e3)
}
