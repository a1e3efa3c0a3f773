package load_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"wayside/graph"
	"wayside/graph/graphtest"
	"wayside/graph/load"
)

// loadTimes and loadSlack state what loading may allocate in all: a multiple of the file, and some bytes for any file. What a session takes
// is the plan's ArenaBytes, which has a limit of its own.
const (
	loadTimes = 48
	loadSlack = 32 << 20
)

// allocated returns the bytes that f allocates, which bounds what it holds at any time.
func allocated(f func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}

// kindly says whether an error is one that load promises.
func kindly(err error) bool {
	var u *graph.UnsupportedError
	return errors.As(err, &u) || errors.Is(err, graph.ErrFormat) || errors.Is(err, graph.ErrUnsupported) || errors.Is(err, graph.ErrDamaged) || strings.Contains(err.Error(), "the limit is")
}

// TestLoadMemory loads every model at hand and holds what was allocated against the stated multiple of the file.
func TestLoadMemory(t *testing.T) {
	check1 := func(name string, m []byte) {
		if n := allocated(func() { _, _ = load.Bytes(m, name, load.Options{}) }); n > loadTimes*int64(len(m))+loadSlack {
			t.Errorf("%s: loading %d bytes allocates %d", name, len(m), n)
		}
	}
	for name, m := range graphtest.Models(t) {
		check1(name, m)
	}
	for name, m := range realModels(t) {
		check1(name, m)
	}
}

// oddOutcomes is what must become of each file of ../shared/conformance/litert-odd-models: "runs", or a part of the reason for which it is refused.
var oddOutcomes = map[string]string{
	"2_subgraphs.bin":                            "runs",
	"add.bin":                                    "runs",
	"add_with_const_input.bin":                   "runs",
	"broadcast_to.bin":                           "runs",
	"call_once_mul.bin":                          "runs",
	"fc_qat.bin":                                 "runs",
	"lstm.bin":                                   "runs",
	"lstm_calibrated.bin":                        "runs",
	"lstm_quantized.bin":                         "runs",
	"maximum.bin":                                "runs",
	"multi_input_add_reshape.bin":                "runs",
	"multi_subgraphs_while.bin":                  "runs",
	"no_signatures.bin":                          "runs",
	"quantized_with_gather.bin":                  "runs",
	"single_avg_pool_min_minus_5_max_plus_5.bin": "runs",
	"single_conv_weights_min_0_max_plus_10.bin":  "runs",
	"single_softmax_min_minus_5_max_plus_5.bin":  "runs",
	"test_min_runtime.bin":                       "runs",
	"unidirectional_sequence_lstm.bin":           "runs",
	"unidirectional_sequence_lstm_quantized.bin": "runs",
	"weight_shared_between_convs.bin":            "runs",
	"add_quantized_int8.bin":                     "the output has no scale",
	"conv_huge_im2col.bin":                       "of working memory, the limit is",
	"custom_op.bin":                              "this custom operator is not known",
	"custom_sinh.bin":                            "this custom operator is not known",
	"dynamic_shapes.bin":                         "depend on data of the run",
	"invalid_model.bin":                          "neither TFLite",
	"mixed.bin":                                  "this custom operator is not known",
	"multi_add_flex.bin":                         "needs the TensorFlow runtime",
	"no_subgraphs.bin":                           "the model has no subgraph",
	"segment_sum_invalid_buffer.bin":             "before any node has computed it",
	"sparse_tensor.bin":                          "CUSTOM:FakeOp",
	"string_input_model_with_signature.bin":      "is of type STRING",
	"svdf_calibrated.bin":                        "the state must be float32 with 42 elements",
	"tensor_string_data_type.bin":                "is of type STRING",
	"test_model_broken.bin":                      "neither TFLite",
	"test_model_versioned_ops.bin":               "needs an input and weights of rank 4",
	"transpose.bin":                              "schema version 2",
	"with_metadata.bin":                          "CUSTOM:NPU_OP",
	"model_invoking_error.tflite":                "CUSTOM:fake-op-double",
}

func TestOddModels(t *testing.T) {
	files := graphtest.TarFiles(t, graphtest.Shared(t, "conformance/litert-odd-models/cases.tar.gz"))
	b, err := os.ReadFile(graphtest.Shared(t, "conformance/litert-odd-models/model_invoking_error.tflite"))
	check(t, err)
	files["model_invoking_error.tflite"] = b
	if len(files) != len(oddOutcomes) {
		t.Errorf("%d files, %d known outcomes", len(files), len(oddOutcomes))
	}
	for name, data := range files {
		t.Run(name, func(t *testing.T) {
			var loadErr, runErr error
			start := time.Now()
			n := allocated(func() {
				var p *graph.Plan
				if p, loadErr = load.Bytes(data, name, load.Options{MaxArenaBytes: 64 << 20}); loadErr == nil {
					runErr = p.NewSession().Run()
				}
			})
			// The bounds; a second is far from what any of them needs, so a busy machine does not matter.
			if d := time.Since(start); n > 64<<20 || d > time.Second {
				t.Errorf("took %d bytes and %v", n, d)
			}
			switch want := oddOutcomes[name]; {
			case loadErr != nil && !kindly(loadErr):
				t.Errorf("an error without a kind: %v", loadErr)
			case loadErr != nil && (want == "runs" || !strings.Contains(loadErr.Error(), want)):
				t.Errorf("refused: %v; want %q", loadErr, want)
			case loadErr == nil && runErr != nil && (want == "runs" || !strings.Contains(runErr.Error(), want)):
				t.Errorf("fails: %v; want %q", runErr, want)
			case loadErr == nil && runErr == nil && want != "runs":
				t.Errorf("runs, want a refusal with %q", want)
			}
		})
	}
}

// TestChangedBytes loads models with single bytes changed: any outcome but a panic is right. One small model for each operator.
func TestChangedBytes(t *testing.T) {
	smallest := map[string][]byte{}
	for _, c := range graphtest.Cases(t) {
		if m, ok := smallest[c.Op]; !ok || len(c.Model) < len(m) {
			smallest[c.Op] = slices.Clone(c.Model)
		}
	}
	for name, m := range smallest {
		if len(m) > 1500 {
			continue
		}
		for i, old := range m {
			m[i] = old ^ byte(1+i*37)
			if p, err := load.Bytes(m, name, load.Options{MaxArenaBytes: 1 << 20}); err == nil {
				_ = p.NewSession().Run()
			}
			m[i] = old
		}
	}
}

func FuzzBytes(f *testing.F) {
	for name, m := range graphtest.Models(f) {
		if len(m) < 2000 && strings.HasSuffix(name, "0") {
			f.Add(m)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) { loadAndRun(t, data) })
}

// loadAndRun loads what may be anything: it must be refused with an error of a known kind, or run or fail in time without a panic.
func loadAndRun(t *testing.T, data []byte) {
	p, err := load.Bytes(data, "fuzz", load.Options{MaxArenaBytes: 1 << 20})
	if err != nil {
		if !kindly(err) {
			t.Fatalf("an error without a kind: %v", err)
		}
		return
	}
	_ = p.NewSession().Run()
}

// realModels returns the models of the demo, and those of ../shared where they are at hand, up to 100 kB each.
func realModels(t testing.TB) map[string][]byte {
	out := map[string][]byte{}
	for _, pattern := range []string{"../../firmware-config/demo/models/*", "../../../shared/models/*/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if ext := filepath.Ext(f); len(b) < 100_000 && (ext == ".tflite" || ext == ".onnx") {
				out[filepath.Base(f)] = b
			}
		}
	}
	if len(out) < 2 { // those of the demo
		t.Fatalf("only %d models", len(out))
	}
	return out
}

// FuzzMutatedModels changes bytes of real models and cuts them: the fuzzer finds which, so that what it keeps is small. edits holds
// a position (4 bytes) and a value (4 bytes: how many of them count, then up to 3 bytes) for each change.
func FuzzMutatedModels(f *testing.F) {
	models := graphtest.Models(f)
	for name, m := range realModels(f) {
		models["real "+name] = m
	}
	names := make([]string, 0, len(models))
	for n := range models {
		names = append(names, n)
	}
	slices.Sort(names)
	for i, n := range names {
		if strings.HasPrefix(n, "real ") || i%20 == 0 {
			f.Add(n, []byte{0, 0, 0, 0, 1, 0, 0, 0}, uint32(0))
			f.Add(n, []byte{100, 0, 0, 0, 3, 255, 255, 127, 9, 1, 0, 0, 1, 128, 0, 0}, uint32(40))
		}
	}
	f.Fuzz(func(t *testing.T, name string, edits []byte, cut uint32) {
		m, ok := models[name]
		if !ok {
			// The fuzzer changes names too: any of them stands for some model, the same one each time.
			h := 0
			for _, c := range name {
				h = (h*31 + int(c)) % len(names)
			}
			m = models[names[h]]
		}
		data := slices.Clone(m)
		for e := range slices.Chunk(edits, 8) {
			if len(e) < 8 {
				break
			}
			at := int(uint64(binary.LittleEndian.Uint32(e)) % uint64(len(data)))
			copy(data[at:], e[5:5+e[4]%4])
		}
		loadAndRun(t, data[:len(data)-int(uint64(cut)%uint64(len(data)))])
	})
}
