package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"wayside/kernels"
)

// kernelsJSON is what bench --kernels --json prints.
type kernelsJSON struct {
	Tier    string       `json:"tier"` // of the fastest kernels that were allowed
	Threads int          `json:"threads"`
	Kernels []kernelJSON `json:"kernels"`
}

// kernelJSON is one kernel on one shape.
type kernelJSON struct {
	Work     string  `json:"work"`
	Kernel   string  `json:"kernel"`
	Tier     string  `json:"tier"` // the lowest tier that has it
	MACs     int64   `json:"macs"`
	Elems    int64   `json:"elems"` // of kernels that multiply nothing
	Runs     int     `json:"runs"`
	MedianUS float64 `json:"median_us"`
	BestUS   float64 `json:"best_us"`
	GMACs    float64 `json:"gmac_per_s"` // by the median
	GElems   float64 `json:"gelem_per_s"`
	Chosen   bool    `json:"chosen"` // what a model gets
}

// benchKernels measures every kernel of the machine in alternating bursts, so that what else the machine does falls on all.
func benchKernels(cmd *cobra.Command, o *benchOptions, asJSON bool) error {
	m := kernelsJSON{Threads: kernels.Threads(o.threads), Tier: kernels.Best()}
	all := kernels.Variants()
	times := make([][]float64, len(all))
	batch := make([]int, len(all))
	for i, v := range all {
		v.Run(1) // what is lazy happens now
		start := time.Now()
		v.Run(1)
		batch[i] = int(max(1, shortest/max(time.Since(start), time.Nanosecond)))
	}
	progress := newProgress(cmd.ErrOrStderr())
	const bursts = 10
	for burst := range bursts {
		budget := time.Duration(o.seconds * float64(time.Second) / bursts / float64(max(len(all), 1)))
		for i, v := range all {
			for start := time.Now(); ; {
				from := time.Now()
				v.Run(batch[i])
				times[i] = append(times[i], time.Since(from).Seconds()*1e6/float64(batch[i]))
				if time.Since(start) > budget {
					break
				}
			}
		}
		progress.at(burst+1, bursts)
	}
	progress.end()
	for i, v := range all {
		slices.Sort(times[i])
		median := times[i][len(times[i])/2]
		m.Kernels = append(m.Kernels, kernelJSON{Work: v.Work, Kernel: v.ID, Tier: v.Tier, MACs: v.MACs, Elems: v.Elems, Runs: len(times[i]) * batch[i], MedianUS: median, BestUS: times[i][0],
			GMACs: float64(v.MACs) / median / 1e3, GElems: float64(v.Elems) / median / 1e3, Chosen: v.Chosen})
	}
	if asJSON {
		return printJSON(cmd, &m)
	}
	return printKernels(cmd.OutOrStdout(), &m)
}

func printKernels(w io.Writer, m *kernelsJSON) error {
	if _, err := fmt.Fprintf(w, "%s kernels, %s, on %s/%s; a model gets the kernels with *\n", m.Tier, counted(m.Threads, "thread"), runtime.GOOS, runtime.GOARCH); err != nil {
		return err
	}
	t := &columns{indent: "  ", right: map[int]bool{1: true, 2: true, 3: true, 4: true}}
	for i, k := range m.Kernels {
		mark := ""
		if k.Chosen {
			mark = "*"
		}
		if i == 0 || m.Kernels[i-1].Work != k.Work {
			if err := t.write(w); err != nil {
				return err
			}
			t = &columns{indent: "  ", right: t.right}
			if _, err := fmt.Fprintf(w, "\n%s\n", k.Work); err != nil {
				return err
			}
			unit := "GMAC/s"
			if k.MACs == 0 {
				unit = "Gelem/s"
			}
			t.row("", "median", "best", unit, "speed", "kernel")
		}
		slowest := m.Kernels[slices.IndexFunc(m.Kernels, func(o kernelJSON) bool { return o.Work == k.Work })]
		t.row(mark, micros(k.MedianUS), micros(k.BestUS), fmt.Sprintf("%.1f", k.GMACs+k.GElems), fmt.Sprintf("%.1f×", slowest.MedianUS/k.MedianUS), k.Kernel)
	}
	return t.write(w)
}
