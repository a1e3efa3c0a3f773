package load_test

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"wayside/graph"
	"wayside/graph/feed"
	"wayside/graph/graphtest"
)

// features runs recorded sound through the audio front end, 480 samples at a time, 320 apart, in one session.
func features(t *testing.T, s *graph.Session, wav []byte) []int8 {
	t.Helper()
	sound, err := feed.ReadWAV(bytes.NewReader(wav))
	check(t, err)
	var out []int8
	for at := 0; at+480 <= len(sound.Samples); at += 320 {
		if copy(s.Input(0).S16(), sound.Samples[at:]) != 480 {
			t.Fatalf("the front end takes %v samples", s.Input(0).Shape)
		}
		check(t, s.Run())
		out = append(out, s.Output(0).S8()...)
	}
	return out
}

// TestSpeech runs words through the audio front end and the keyword model. Features and scores must be those of tflite-micro
// (scripts/oracles/speech.py), and these are the scores that the model's authors publish for their two recordings.
func TestSpeech(t *testing.T) {
	golden, err := os.ReadFile("testdata/speech.npz")
	check(t, err)
	arrays, err := feed.ParseNPZ(golden)
	check(t, err)
	want := map[string][]int8{}
	for _, a := range arrays {
		want[a.Name] = a.T.S8()
	}
	published := map[string][]int8{"yes": {-128, -128, 127, -128}, "no": {-128, -114, -128, 114}}
	digits := graphtest.TarFiles(t, graphtest.Shared(t, "data/audio/fsdd.tar.gz"))
	front := model(t, "models/tflm/audio_preprocessor_int8.tflite").NewSession()
	keyword := model(t, "models/tflm/micro_speech_quantized.tflite").NewSession()
	words := 0
	for key := range want {
		name, ok := strings.CutSuffix(key, ".features")
		if !ok {
			continue
		}
		words++
		t.Run(name, func(t *testing.T) {
			wav := digits[name+".wav"]
			if wav == nil {
				wav, err = os.ReadFile(graphtest.Shared(t, "data/audio/tflm/"+name+"_1000ms.wav"))
				check(t, err)
			}
			front.Reset()
			got := features(t, front, wav)
			if !slices.Equal(got, want[key]) {
				i := 0
				for i < min(len(got), len(want[key])) && got[i] == want[key][i] {
					i++
				}
				t.Fatalf("%d features instead of %d; the first difference is in window %d, channel %d", len(got), len(want[key]), i/40, i%40)
			}
			if published[name] == nil {
				return
			}
			if copy(keyword.Input(0).S8(), got) != len(keyword.Input(0).S8()) {
				t.Fatalf("%d features do not fill %v", len(got), keyword.Input(0).Shape)
			}
			check(t, keyword.Run())
			if s := keyword.Output(0).S8(); !slices.Equal(s, published[name]) || !slices.Equal(s, want[name+".scores"]) {
				t.Errorf("scores %v, published %v, golden %v", s, published[name], want[name+".scores"])
			}
		})
	}
	if words != 4 {
		t.Errorf("%d words", words)
	}
}
