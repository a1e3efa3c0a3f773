package load_test

import (
	"bytes"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"wayside/graph/graphtest"
	"wayside/graph/load"
	"wayside/graph/tensor"
)

// TestSEANet runs every one-operator model of the SEANet archive: its own goldens may be 1 away, as upstream allows, and the output must
// have the checksum that scripts/oracles/seanet.py took from the reference.
func TestSEANet(t *testing.T) {
	files := graphtest.TarFiles(t, graphtest.Shared(t, "conformance/tflm-seanet/cases.tar.gz"))
	raw, err := os.ReadFile(filepath.Join("testdata", "seanet.json"))
	check(t, err)
	sums := map[string]string{}
	check(t, json.Unmarshal(raw, &sums))
	ran := 0
	for name, data := range files {
		stem, ok := strings.CutSuffix(name, ".tflite")
		if !ok {
			continue
		}
		ran++
		t.Run(stem, func(t *testing.T) {
			p, err := load.Bytes(data, name, load.Options{})
			check(t, err)
			s := p.NewSession()
			for i := range p.Inputs() {
				in := s.Input(i)
				copy(in.Data, column(t, files, fmt.Sprintf("%s_input%d_", stem, i), in.DType))
			}
			check(t, s.Run())
			out := s.Output(0)
			if far := distance(t, out, column(t, files, stem+"_golden_", out.DType)); far > 1 {
				t.Errorf("up to %d away from the archive's golden output", far)
			}
			if got := fmt.Sprintf("%08x", crc32.ChecksumIEEE(out.Data)); got != sums[stem] {
				t.Errorf("checksum %s, the reference has %s", got, sums[stem])
			}
		})
	}
	if ran != 64 || len(sums) != ran {
		t.Errorf("%d cases and %d checksums, the archive has 64", ran, len(sums))
	}
}

// column returns the values of the one file whose name begins with prefix, in the dtype that its name must end with.
func column(t *testing.T, files map[string][]byte, prefix string, d tensor.DType) []byte {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(files[prefix+d.String()+".csv"])).ReadAll()
	check(t, err)
	var out []byte
	for _, v := range slices.Concat(rows...) {
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 32)
		check(t, err)
		if d == tensor.S16 {
			out = binary.LittleEndian.AppendUint16(out, uint16(n))
		} else {
			out = binary.LittleEndian.AppendUint32(out, uint32(n))
		}
	}
	if len(out) == 0 {
		t.Fatalf("no file %s%s.csv", prefix, d)
	}
	return out
}

// distance returns the largest difference between an integer tensor and the bytes of another.
func distance(t *testing.T, got *tensor.Tensor, want []byte) int64 {
	t.Helper()
	w := &tensor.Tensor{DType: got.DType, Shape: got.Shape, Data: tensor.Aligned(len(want))}
	if copy(w.Data, want); len(want) != len(got.Data) {
		t.Fatalf("%d bytes, the golden output has %d", len(got.Data), len(want))
	}
	a, _ := got.Ints()
	b, _ := w.Ints()
	far := int64(0)
	for i := range a {
		far = max(far, a[i]-b[i], b[i]-a[i])
	}
	return far
}
