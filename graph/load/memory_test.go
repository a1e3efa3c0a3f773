package load_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"wayside/graph"
	"wayside/graph/graphtest"
	"wayside/graph/load"
)

// TestFileCanGo loads every shared model, overwrites the file's bytes and drops them: the plan must not need them, and must not keep them.
func TestFileCanGo(t *testing.T) {
	var files []string
	for _, p := range []string{"*/*.tflite", "onnx/*.onnx", "mlperf/*.onnx"} {
		some, err := filepath.Glob(filepath.Join(graphtest.Shared(t, "models"), p))
		check(t, err)
		files = append(files, some...)
	}
	loaded := 0
	for _, path := range files {
		data, err := os.ReadFile(path)
		check(t, err)
		want, err := load.Bytes(slices.Clone(data), path, load.Options{})
		if err != nil {
			continue // others test that
		}
		gone := make(chan bool, 1)
		plan := loadAndDrop(t, data, path, gone)
		data = nil
		loaded++
		if a, b := outputs(t, want), outputs(t, plan); !slices.EqualFunc(a, b, bytes.Equal) {
			t.Errorf("%s: the outputs change when the file's bytes do", filepath.Base(path))
		}
		for i := 0; ; i++ {
			runtime.GC()
			select {
			case <-gone:
			case <-time.After(10 * time.Millisecond):
				if i < 100 {
					continue
				}
				t.Errorf("%s: the plan keeps the file in memory", filepath.Base(path))
			}
			break
		}
		runtime.KeepAlive(plan)
	}
	if loaded < 20 {
		t.Fatalf("%d models of %d were loaded", loaded, len(files))
	}
}

func loadAndDrop(t *testing.T, data []byte, path string, gone chan<- bool) *graph.Plan {
	t.Helper()
	runtime.AddCleanup(&data[0], func(c chan<- bool) { c <- true }, gone)
	plan, err := load.Bytes(data, path, load.Options{})
	check(t, err)
	for i := range data {
		data[i] = 0x55
	}
	return plan
}

// outputs runs a plan three times on random inputs.
func outputs(t *testing.T, p *graph.Plan) [][]byte {
	t.Helper()
	s := p.NewSession()
	var all [][]byte
	for run := range 3 {
		for i := range p.Inputs() {
			in := s.Input(i)
			splitMix(uint64(run*10+i), len(in.Data), func(k int, z uint64) { in.Data[k] = byte(z>>57) & 0x3e }) // small floats, small integers
		}
		if err := s.Run(); err != nil {
			return append(all, []byte(err.Error())) // values out of range, for both
		}
		for i := range p.Outputs() {
			all = append(all, slices.Clone(s.Output(i).Data))
		}
	}
	return all
}
