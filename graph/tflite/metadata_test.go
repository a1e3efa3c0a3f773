package tflite

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"wayside/graph"
	"wayside/graph/graphtest"
)

func zipOf(t testing.TB, method uint16, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, err := z.CreateHeader(&zip.FileHeader{Name: files[i], Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var serving = graphtest.Table{[]graphtest.Table{{"picture", uint32(0)}}, []graphtest.Table{{"score", uint32(1)}}, "serving_default"}

func described(t testing.TB) graphtest.Described {
	return graphtest.Described{
		Shape:      []int32{1, 2, 2, 3},
		Metadata:   graphtest.ClassifierMetadata([]float32{127.5}, []float32{100, 110, 120}, "labels.txt"),
		Signatures: []graphtest.Table{serving},
	}
}

func meta(t testing.TB, file []byte) graph.Meta {
	t.Helper()
	g, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	return g.Meta
}

func TestMetadata(t *testing.T) {
	for _, method := range []uint16{zip.Store, zip.Deflate} {
		got := meta(t, append(described(t).Model(), zipOf(t, method, "other.txt", "x", "labels.txt", "cat\r\ndog\n\nbird\x1b[31m\n\n")...))
		want := graph.Meta{
			Name: "Things", Description: "tells things apart", Version: "v1", Author: "A. Author", License: "Apache-2.0", Producer: "made by a test", MinRuntime: "1.5.0",
			Inputs:     []graph.IOMeta{{Name: "image", Description: "a picture", Mean: []float32{127.5, 127.5, 127.5}, Std: []float32{100, 110, 120}, Min: []float32{0}, Max: []float32{255}}},
			Outputs:    []graph.IOMeta{{Name: "probability", Description: "of each class", Labels: []string{"cat", "dog", "", "bird[31m"}}},
			Signatures: []graph.Signature{{Key: "serving_default", Inputs: []graph.Binding{{Name: "picture"}}, Outputs: []graph.Binding{{Name: "score"}}}},
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("method %d:\ngot  %+v\nwant %+v", method, got, want)
		}
	}
}

// TestMetadataNotes: what is broken is left out, with a note, and the model still loads.
func TestMetadataNotes(t *testing.T) {
	labels := zipOf(t, zip.Deflate, "labels.txt", strings.Repeat("label\n", 50))
	broken := slices.Clone(labels)
	broken[45] ^= 0xff // inside the compressed bytes
	many := []string{}
	for i := range maxFiles + 1 {
		many = append(many, fmt.Sprint(i), "")
	}
	with := func(change func(*graphtest.Described), tail []byte) []byte {
		d := described(t)
		change(&d)
		return append(d.Model(), tail...)
	}
	as := func(b []byte) func(*graphtest.Described) {
		return func(d *graphtest.Described) { d.Metadata = b }
	}
	same := func(*graphtest.Described) {}
	far := graphtest.ClassifierMetadata(nil, nil, "labels.txt")
	binary.LittleEndian.PutUint32(far, 1<<30)
	for name, c := range map[string]struct {
		file []byte
		say  string
	}{
		"no zip":          {with(same, nil), "no zip"},
		"half a zip":      {with(same, labels[:len(labels)-30]), "no zip"},
		"zip's start cut": {with(same, labels[40:]), "labels"},
		"broken bytes":    {with(same, broken), "labels.txt"},
		"other file":      {with(same, zipOf(t, zip.Store, "a", "b")), "no such file"},
		"too many files":  {with(same, zipOf(t, zip.Store, many...)), "257 files"},
		"too many lines":  {with(same, zipOf(t, zip.Deflate, "labels.txt", strings.Repeat("\n", maxLabels+1))), "lines"},
		"too many bytes":  {with(same, zipOf(t, zip.Deflate, "labels.txt", strings.Repeat("x", maxLabelBytes+1))), "bytes"},
		"text":            {with(as([]byte("this is no metadata at all")), labels), "M001"},
		"empty":           {with(as([]byte{1}), labels), "M001"},
		"offset":          {with(as(far), labels), "not readable"},
		"mean":            {with(as(graphtest.ClassifierMetadata([]float32{0, 1}, []float32{1, 2, 3}, "labels.txt")), labels), "normalization of input 0"},
		"std":             {with(as(graphtest.ClassifierMetadata([]float32{0}, []float32{0}, "labels.txt")), labels), "normalization of input 0"},
		"one input more":  {with(as(graphtest.FlatBuffer("M001", graphtest.Table{nil, nil, nil, []graphtest.Table{{nil, nil, []graphtest.Table{{}, {}}}}})), labels), "describes 2 inputs"},
		"signature": {with(func(d *graphtest.Described) {
			d.Signatures = []graphtest.Table{{[]graphtest.Table{{"a", uint32(77)}}, nil, "s"}}
		}, labels), "tensor 77"},
	} {
		if m := meta(t, c.file); len(m.Notes) == 0 || !strings.Contains(strings.Join(m.Notes, "\n"), c.say) {
			t.Errorf("%s: notes %q, want %q", name, m.Notes, c.say)
		}
	}
	if m := meta(t, with(as(nil), nil)); len(m.Notes) != 0 || m.Name != "" {
		t.Errorf("no metadata: %+v", m)
	}
}

func TestMetadataSurvivesEveryChangedByte(t *testing.T) {
	d := described(t)
	tail := zipOf(t, zip.Deflate, "labels.txt", "cat\ndog\n")
	whole := append(d.Model(), tail...)
	for i := range whole {
		for _, b := range []byte{0, 0x7f, 0xff, whole[i] ^ 4} {
			m := slices.Clone(whole)
			m[i] = b
			Read(m)
		}
	}
}

// FuzzMetadata puts any bytes in the place of the metadata and behind the model: the model still loads, within its bounds.
func FuzzMetadata(f *testing.F) {
	f.Add(described(f).Metadata, zipOf(f, zip.Deflate, "labels.txt", "cat\ndog\n"))
	f.Add(graphtest.ClassifierMetadata([]float32{0}, []float32{1}, "l"), zipOf(f, zip.Store, "l", "a"))
	f.Add([]byte{}, []byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, metadata, tail []byte) {
		d := described(t)
		d.Metadata = metadata
		m := meta(t, append(d.Model(), tail...))
		if len(m.Notes) > maxNotes || len(m.Inputs) > 1 || len(m.Outputs) > 1 {
			t.Errorf("%+v", m)
		}
	})
}
