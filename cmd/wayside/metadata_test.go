package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"path/filepath"
	"strings"
	"testing"

	"wayside/graph/graphtest"
	"wayside/graph/tensor"
)

// classifier writes a float32 model of shape [1,2,2,3] that clips at zero and says: subtract 100, divide by 50; the places are red, green, blue.
func classifier(t *testing.T, dir, labels string) {
	t.Helper()
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	f, err := w.Create("labels.txt")
	if err != nil {
		t.Fatal(err)
	}
	if _, err = f.Write([]byte(labels)); err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	d := graphtest.Described{Shape: []int32{1, 2, 2, 3}, Metadata: graphtest.ClassifierMetadata([]float32{100}, []float32{50}, "labels.txt"),
		Signatures: []graphtest.Table{{[]graphtest.Table{{"picture", uint32(0)}}, []graphtest.Table{{"score", uint32(1)}}, "serving_default"}}}
	saveFile(t, filepath.Join(dir, "m.tflite"), append(d.Model(), z.Bytes()...))
	img := image.NewNRGBA(image.Rect(0, 0, 2, 2))
	for i := range 4 {
		img.Set(i%2, i/2, color.NRGBA{50, 150, uint8(200 + i), 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	saveFile(t, filepath.Join(dir, "p.png"), b.Bytes())
}

// TestInferMetadata: a picture is normalized as the file says, inputs answer to their signature's names, values carry labels.
func TestInferMetadata(t *testing.T) {
	dir := t.TempDir()
	classifier(t, dir, "red\ngreen\nblue\n")
	for _, c := range []struct {
		args  []string
		blue3 float64 // of the last pixel
	}{{[]string{"--in", "p.png"}, 2.06}, {[]string{"--in", "picture=p.png", "--shape", "picture=1,2,2,3"}, 2.06}, {[]string{"--in", "x:0=p.png", "--mean", "0", "--std", "203"}, 1}} {
		out, errs, code := wayside(t, dir, append([]string{"infer", "m.tflite", "--json"}, c.args...)...)
		var r inferJSON
		dec := json.NewDecoder(strings.NewReader(out))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&r); err != nil || code != 0 || errs != "" {
			t.Fatalf("%v: exit code %d, %v, stderr %q", c.args, code, err, errs)
		}
		o := r.Outputs[0]
		if len(o.Labels) != 3 || o.Signature != "score" || len(o.Top) != 1 || len(o.Top[0]) != 5 || o.Top[0][0].Label != "blue" || o.Top[0][0].Index != 11 || o.Top[0][4].Label != "green" ||
			float32(o.Top[0][0].Value) != float32(c.blue3) || float32(o.Values[11]) != float32(c.blue3) {
			t.Errorf("%v: %+v", c.args, o)
		}
	}
	out, _, _ := wayside(t, dir, "infer", "m.tflite", "--in", "p.png")
	if !strings.Contains(out, "2.06") || strings.Count(out, "blue") != 4 {
		t.Errorf("printed:\n%s", out)
	}
	_, errs, code := wayside(t, dir, "infer", "m.tflite", "--in", "nosuch=p.png")
	if code != exitInput || !strings.Contains(errs, `"nosuch"`) || !strings.Contains(errs, `"picture"`) {
		t.Errorf("unknown name: exit code %d: %s", code, errs)
	}
	if _, errs, code = wayside(t, dir, "infer", "m.tflite", "--in", "p.png", "--mean", "1,2", "--std", "1,2"); code != exitInput || !strings.Contains(errs, "3 channels") {
		t.Errorf("two means: exit code %d: %s", code, errs)
	}
	saveNPY(t, filepath.Join(dir, "x.npy"), array(tensor.Shape{2, 1, 2, 2, 3}, make([]float32, 24)))
	if out, errs, code = wayside(t, dir, "infer", "m.tflite", "--in", "x.npy", "--rows", "--json"); code != 0 || strings.Count(out, `"label"`) != 10 {
		t.Errorf("rows: exit code %d: %s", code, errs)
	}
}

// TestBrokenMetadata: the model runs, and says what is missing.
func TestBrokenMetadata(t *testing.T) {
	dir := t.TempDir()
	d := graphtest.Described{Shape: []int32{1, 2, 2, 3}, Metadata: graphtest.ClassifierMetadata([]float32{100}, []float32{50}, "labels.txt")}
	saveFile(t, filepath.Join(dir, "m.tflite"), d.Model())
	saveNPY(t, filepath.Join(dir, "x.npy"), array(tensor.Shape{2, 2, 3}, make([]float32, 12)))
	out, errs, code := wayside(t, dir, "infer", "m.tflite", "--in", "x.npy", "--json")
	if code != 0 || !strings.Contains(errs, "no zip") || !json.Valid([]byte(out)) {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if out, _, code = wayside(t, dir, "inspect", "m.tflite"); code != 0 || !strings.Contains(out, "no zip") {
		t.Errorf("inspect: exit code %d:\n%s", code, out)
	}
}

// TestCompletion: the shell offers model files where a model is wanted, and what each flag takes.
func TestCompletion(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"inspect", ""}, "tflite\nonnx\n:8\n"},
		{[]string{"inspect", "m.tflite", ""}, ":4\n"},
		{[]string{"inspect", "m.tflite", "--svg", ""}, "svg\n:8\n"},
		{[]string{"infer", "m.tflite", "--out", ""}, "npz\n:8\n"},
		{[]string{"infer", "m.tflite", "--mean", ""}, ":4\n"},
		{[]string{"infer", "m.tflite", "--in", ""}, ":0\n"},
	} {
		if out, _, code := wayside(t, ".", append([]string{"__complete"}, c.args...)...); code != 0 || out != c.want {
			t.Errorf("%v: exit code %d, %q, want %q", c.args, code, out, c.want)
		}
	}
}
