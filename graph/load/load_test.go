package load_test

import (
	"archive/tar"
	"compress/gzip"
	"encoding/binary"
	"encoding/csv"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"wayside/graph"
	"wayside/graph/load"
	"wayside/graph/tensor"
)

// shared returns the path of a file that lies beside the repository, and skips the test where it is absent.
func shared(t testing.TB, name string) string {
	t.Helper()
	p := filepath.Join("..", "..", "..", "shared", name)
	if _, err := os.Stat(p); err != nil {
		t.Skipf("skipped: %s is absent", p)
	}
	return p
}

func model(t testing.TB, name string) *graph.Plan {
	t.Helper()
	p, err := load.File(shared(t, name), load.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tarFiles reads a compressed archive whole.
func tarFiles(t testing.TB, path string) map[string][]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(h.Name)] = b
	}
}

// check fails on an error that no test case expects.
func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// setS8 writes int8 input 0 from raw bytes.
func setS8(t testing.TB, s *graph.Session, b []byte) {
	t.Helper()
	if d := s.Input(0).Data; len(d) != len(b) {
		t.Fatalf("input has %d bytes, case has %d", len(d), len(b))
	}
	copy(s.Input(0).Data, b)
}

func TestKeywordModelPublishedRows(t *testing.T) {
	p := model(t, "models/mlperf/kws_ref_model.tflite")
	files := tarFiles(t, shared(t, "data/kws01/cases.tar.gz"))
	f, err := os.Open(shared(t, "conformance/mlperf-kws/cases.csv"))
	check(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	check(t, err)
	s := p.NewSession()
	equal := 0
	for _, row := range rows[1:] {
		setS8(t, s, files[row[0]])
		check(t, s.Run())
		same := true
		for i, q := range s.Output(0).S8() {
			same = same && strconv.Itoa(int(q)) == row[2+i]
		}
		if same {
			equal++
		} else if equal >= 0 {
			t.Logf("%s: got %v, published %v", row[0], s.Output(0).S8(), row[2:])
		}
	}
	if equal != 500 || len(rows) != 501 {
		t.Fatalf("%d of %d rows are equal, want 500 of 500", equal, len(rows)-1)
	}
}

// anomalyWindows is one clip of the anomaly task: windows of 5 frames of 128 bins, one frame apart.
func anomalyWindows(t testing.TB) [][]float32 {
	b, err := os.ReadFile(shared(t, "data/ad01/normal_id_01_00000000_hist_librosa.bin"))
	check(t, err)
	if len(b) != 4*200*128 {
		t.Fatalf("clip has %d bytes", len(b))
	}
	all := make([]float32, 200*128)
	for i := range all {
		all[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	var w [][]float32
	for i := 0; i+5 <= 200; i++ {
		w = append(w, all[i*128:(i+5)*128])
	}
	return w
}

func TestAnomalyScores(t *testing.T) {
	for _, c := range []struct {
		file      string
		want, tol float64
	}{
		{"models/mlperf/ad01_fp32.tflite", 9.7071, 0.001},
		{"models/mlperf/ad01_int8.tflite", 10.26447, 0.0001},
	} {
		t.Run(filepath.Base(c.file), func(t *testing.T) {
			s := model(t, c.file).NewSession()
			total := 0.0
			windows := anomalyWindows(t)
			for _, w := range windows {
				in, out := s.Input(0), s.Output(0)
				if in.DType == tensor.F32 {
					copy(in.F32(), w)
				} else {
					for i, v := range w {
						q := math.Round(float64(v/in.Quant.Scale[0])) + float64(in.Quant.Zero[0])
						in.S8()[i] = int8(min(max(q, -128), 127))
					}
				}
				check(t, s.Run())
				sum := 0.0
				for i, v := range w {
					y := 0.0
					if out.DType == tensor.F32 {
						y = float64(out.F32()[i])
					} else {
						y = float64(out.Quant.Scale[0]) * float64(int32(out.S8()[i])-out.Quant.Zero[0])
					}
					sum += (y - float64(v)) * (y - float64(v))
				}
				total += sum / float64(len(w))
			}
			if got := total / float64(len(windows)); len(windows) != 196 || math.Abs(got-c.want) > c.tol {
				t.Fatalf("score %.6f over %d windows, want %v within %v", got, len(windows), c.want, c.tol)
			}
		})
	}
}

// bmpTopDown reads an 8-bit palette picture's rows as they are stored, each palette index as the pixel.
func bmpTopDown(t testing.TB, path string) []byte {
	b, err := os.ReadFile(path)
	check(t, err)
	off := int(binary.LittleEndian.Uint32(b[10:]))
	w, h := int(binary.LittleEndian.Uint32(b[18:])), int(binary.LittleEndian.Uint32(b[22:]))
	stride := (w + 3) &^ 3
	out := make([]byte, 0, w*h)
	for y := h - 1; y >= 0; y-- {
		out = append(out, b[off+y*stride:off+y*stride+w]...)
	}
	return out
}

func TestPersonDetect(t *testing.T) {
	s := model(t, "models/tflm/person_detect.tflite").NewSession()
	for name, want := range map[string][2]int8{"person.bmp": {-113, 113}, "no_person.bmp": {57, -57}} {
		setS8(t, s, bmpTopDown(t, shared(t, "data/images/tflm/"+name)))
		check(t, s.Run())
		if got := s.Output(0).S8(); got[0] != want[0] || got[1] != want[1] {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}

func TestAllModelsLoadOrAreRefusedWhole(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(shared(t, "models"), "*", "*.tflite"))
	check(t, err)
	for _, f := range dirs {
		t.Run(filepath.Base(f), func(t *testing.T) {
			p, err := load.File(f, load.Options{})
			if err != nil {
				t.Log(err)
				return
			}
			s := p.NewSession()
			check(t, s.Run())
		})
	}
}
