package load_test

import (
	"encoding/json"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"testing"

	"wayside/graph/feed"
	"wayside/graph/graphtest"
	"wayside/graph/tensor"
)

// ssdInputs returns pictures of 300 × 300 pixels for the detector: noise, and a photograph with its size.
func ssdInputs(t *testing.T) (inputs map[string][]byte, width, height int) {
	noise := make([]byte, 300*300*3)
	state := uint32(1)
	for i := range noise {
		state = state*1664525 + 1013904223
		noise[i] = byte(state >> 24)
	}
	b, err := os.ReadFile(graphtest.Shared(t, "data/images/tflite-support/cats_and_dogs.jpg"))
	check(t, err)
	p, err := feed.ParsePicture(b)
	check(t, err)
	f := make([]float32, len(noise))
	check(t, p.Resize(f, 300, 300, 3))
	photo := make([]byte, len(f))
	for i, v := range f {
		photo[i] = byte(math.Round(float64(v)))
	}
	return map[string][]byte{"noise": noise, "photo": photo}, p.Width, p.Height
}

// TestDetector runs a quantized SSD to the end: its four outputs equal those of LiteRT's reference kernels for the same pixels, and it
// finds the animals of the photograph where the model's authors say. With WAYSIDE_DETECTOR_PIXELS naming a folder it writes the pixels
// there, for scripts/oracles/detector.py.
func TestDetector(t *testing.T) {
	p := model(t, "models/tflite-support/coco_ssd_mobilenet_v1_1.0_quant_2018_06_29.tflite")
	for i, want := range []tensor.Shape{{1, 10, 4}, {1, 10}, {1, 10}, {1}} {
		if o := p.Outputs()[i]; !o.Shape.Equal(want) || o.DType != tensor.F32 {
			t.Fatalf("output %d is %s%v", i, o.DType, o.Shape)
		}
	}
	inputs, width, height := ssdInputs(t)
	var golden map[string]struct {
		CRC32   uint32
		Outputs [][]float32
	}
	b, err := os.ReadFile(graphtest.Path("detector.json"))
	check(t, err)
	check(t, json.Unmarshal(b, &golden))
	s := p.NewSession()
	for name, pixels := range inputs {
		if dir := os.Getenv("WAYSIDE_DETECTOR_PIXELS"); dir != "" {
			check(t, os.WriteFile(filepath.Join(dir, name+".rgb"), pixels, 0o644))
		}
		copy(s.Input(0).U8(), pixels)
		check(t, s.Run())
		if name == "photo" {
			checkAnimals(t, s.Output(0).F32(), s.Output(1).F32(), s.Output(2).F32(), width, height)
		}
		want := golden[name]
		if sum := crc32.ChecksumIEEE(pixels); sum != want.CRC32 {
			t.Errorf("%s: the pixels have the checksum %d, those of the golden values %d: make them again", name, sum, want.CRC32)
			continue
		}
		for i, w := range want.Outputs {
			got := s.Output(i).F32()
			if len(got) != len(w) {
				t.Fatalf("%s: output %d has %d values, want %d", name, i, len(got), len(w))
			}
			for k := range w {
				if got[k] != w[k] {
					t.Errorf("%s: output %d[%d] is %v, want %v", name, i, k, got[k], w[k])
				}
			}
		}
	}
}

// checkAnimals compares the best detections with the published ones: left, top, width and height in pixels of the photograph, and the score.
func checkAnimals(t *testing.T, boxes, classes, scores []float32, width, height int) {
	t.Helper()
	const pixels, score = 8, 0.05
	for i, want := range []struct {
		class int
		box   [4]float64
		score float64
	}{
		{16, [4]float64{54, 396, 393, 196}, 0.64}, // cats
		{16, [4]float64{602, 157, 394, 447}, 0.61},
		{16, [4]float64{260, 394, 180, 209}, 0.56},
		{17, [4]float64{389, 197, 278, 409}, 0.5}, // a dog
	} {
		top, left := float64(boxes[4*i])*float64(height), float64(boxes[4*i+1])*float64(width)
		got := [4]float64{left, top, float64(boxes[4*i+3])*float64(width) - left, float64(boxes[4*i+2])*float64(height) - top}
		if int(classes[i]) != want.class || math.Abs(float64(scores[i])-want.score) > score {
			t.Errorf("detection %d: class %v with score %v, want %d with %v", i, classes[i], scores[i], want.class, want.score)
		}
		for k := range got {
			if math.Abs(got[k]-want.box[k]) > pixels {
				t.Errorf("detection %d: box %.1f, want %v", i, got, want.box)
				break
			}
		}
	}
}
