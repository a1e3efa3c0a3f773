package graph_test

import (
	"os"
	"testing"
	"time"

	"wayside/graph"
	"wayside/graph/graphtest"
	"wayside/graph/load"
)

// BenchmarkCallOverhead prints what a call costs beside its kernels: of the smallest layer there is, and of a model of ten small layers, whose Run is
// compared with the sum of its steps, each run over and over on its own, its weights in the first-level cache. Times are the best of many.
func BenchmarkCallOverhead(b *testing.B) {
	b.Run("dense 4x4", func(b *testing.B) {
		value := func(name string, shape []int32, buffer uint32) graphtest.Table {
			return graphtest.Table{shape, int8(9), buffer, name, graphtest.Table{nil, nil, []float32{0.5}}}
		}
		tensors := []graphtest.Table{value("x", []int32{1, 4}, 0), value("w", []int32{4, 4}, 1), value("y", []int32{1, 4}, 0)}
		node := graphtest.Table{uint32(0), []int32{0, 1}, []int32{2}}
		sub := graphtest.Table{tensors, []int32{0}, []int32{2}, []graphtest.Table{node}, "main"}
		buffers := []graphtest.Table{{}, {[]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}}}
		s := session(b, graphtest.FlatBuffer("TFL3", graphtest.Table{uint32(3), []graphtest.Table{{int8(9), nil, int32(1), int32(9)}}, []graphtest.Table{sub}, "made by a test", buffers}))
		overhead(b, s)
	})
	b.Run("ad01_int8", func(b *testing.B) {
		file, err := os.ReadFile(graphtest.Shared(b, "models/mlperf/ad01_int8.tflite"))
		if err != nil {
			b.Fatal(err)
		}
		overhead(b, session(b, file))
	})
}

func session(b *testing.B, file []byte) *graph.Session {
	b.Helper()
	p, err := load.Bytes(file, "model", load.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return p.NewSession()
}

func overhead(b *testing.B, s *graph.Session) {
	b.Helper()
	best := func(f func() error) float64 {
		const times = 100
		least := time.Hour
		for range 300 {
			start := time.Now()
			for range times {
				if err := f(); err != nil {
					b.Fatal(err)
				}
			}
			least = min(least, time.Since(start))
		}
		return float64(least.Nanoseconds()) / times
	}
	for b.Loop() {
		run, steps := best(s.Run), 0.0
		for i := range graph.Kernels(s) {
			steps += best(func() error { return graph.StepAlone(s, i) })
		}
		b.ReportMetric(run, "ns/run")
		b.ReportMetric(run/steps, "of-steps")
	}
}
