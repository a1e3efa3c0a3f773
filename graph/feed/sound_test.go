package feed

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"wayside/graph/tensor"
)

// wav builds a RIFF WAVE file with a chunk before the data that a reader must skip.
func wav(channels, bits, rate int, samples []int16) []byte {
	le := binary.LittleEndian
	var data []byte
	for _, s := range samples {
		data = le.AppendUint16(data, uint16(s))
	}
	b := []byte("RIFF\x00\x00\x00\x00WAVEfmt \x10\x00\x00\x00")
	b = le.AppendUint16(b, 1)
	b = le.AppendUint16(b, uint16(channels))
	b = le.AppendUint32(b, uint32(rate))
	b = le.AppendUint32(b, uint32(rate*channels*bits/8))
	b = le.AppendUint16(b, uint16(channels*bits/8))
	b = le.AppendUint16(b, uint16(bits))
	b = append(b, "LIST\x03\x00\x00\x00abc\x00data"...) // an odd chunk is padded
	return append(le.AppendUint32(b, uint32(len(data))), data...)
}

func TestReadWAV(t *testing.T) {
	want := []int16{0, 1, -1, 32767, -32768, 5}
	s, err := ReadWAV(bytes.NewReader(wav(2, 16, 16000, want)))
	if err != nil || s.Rate != 16000 || s.Channels != 2 || !slices.Equal(s.Samples, want) {
		t.Fatalf("%+v %v", s, err)
	}
	if m := s.Mono(); !slices.Equal(m, []int16{0, 16383, -16382}) {
		t.Errorf("mono: %v", m)
	}
	if f := Floats(want[3:5]); f[0] != 32767.0/32768 || f[1] != -1 {
		t.Errorf("floats: %v", f)
	}
	streamed := wav(1, 16, 8000, want)
	copy(streamed[len(streamed)-12-4:], "\xff\xff\xff\xff")
	if s, err := ReadWAV(bytes.NewReader(streamed)); err != nil || !slices.Equal(s.Samples, want) {
		t.Errorf("streamed: %+v %v", s, err)
	}
}

func TestReadWAVRefuses(t *testing.T) {
	good := wav(1, 16, 8000, []int16{1, 2})
	at := bytes.Index(good, []byte("data"))
	float := bytes.Clone(good)
	float[20] = 3
	for name, c := range map[string]struct {
		data []byte
		say  string
	}{
		"empty":         {nil, "ends inside"},
		"no wave":       {[]byte("RIFF\x00\x00\x00\x00AVI xxxx"), "not a RIFF WAVE"},
		"8 bits":        {wav(1, 8, 8000, nil), "16-bit PCM"},
		"float":         {float, "16-bit PCM"},
		"six channels":  {wav(6, 16, 8000, nil), "6 channels"},
		"no rate":       {wav(1, 16, 0, []int16{1}), "rate"},
		"cut":           {good[:len(good)-1], "announced"},
		"no data":       {good[:at], "ends inside"},
		"empty data":    {wav(1, 16, 8000, nil), "no samples"},
		"data first":    {[]byte("RIFF\x00\x00\x00\x00WAVEdata\x02\x00\x00\x00ab"), "before its format"},
		"huge format":   {[]byte("RIFF\x00\x00\x00\x00WAVEfmt \xff\xff\xff\xff"), "format chunk"},
		"huge sample":   {append(bytes.Clone(good[:at+4]), 0, 0, 0, 0x7f), "more than"},
		"unknown chunk": {[]byte("RIFF\x00\x00\x00\x00WAVEjunk\xff\xff\xff\xff"), `"junk"`},
	} {
		if _, err := ReadWAV(bytes.NewReader(c.data)); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSoundSamples(t *testing.T) {
	f, err := Parse(wav(1, 16, 8000, []int16{1, 2, 3, 4, 5}), "s.wav")
	if err != nil {
		t.Fatal(err)
	}
	two := tensor.Shape{1, 2}
	s, err := f.Samples(Target{DType: tensor.S16, Shape: two}, Options{Rows: true})
	if err != nil || s.Count != 2 || s.Dropped != 1 || !bytes.Equal(s.At(1), []byte{3, 0, 4, 0}) {
		t.Errorf("rows: %+v %v", s, err)
	}
	s, err = f.Samples(Target{DType: tensor.F32, Shape: tensor.Shape{5}}, Options{})
	if err != nil || s.Count != 1 || tensor.As[float32](s.At(0), 4)[4] != 5.0/32768 {
		t.Errorf("float: %+v %v", s, err)
	}
	for name, c := range map[string]struct {
		in  Target
		err error
	}{
		"too long":  {Target{DType: tensor.S16, Shape: two}, ErrShape},
		"too short": {Target{DType: tensor.S16, Shape: tensor.Shape{6}}, ErrShape},
		"int8":      {Target{DType: tensor.S8, Shape: tensor.Shape{5}}, ErrDType},
	} {
		if _, err := f.Samples(c.in, Options{}); !errors.Is(err, c.err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	stereo, err := Parse(wav(2, 16, 8000, []int16{2, 4, 6, 8, 0, 2}), "s.wav")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := stereo.Samples(Target{DType: tensor.S16, Shape: tensor.Shape{1, 3}}, Options{}); err != nil || !bytes.Equal(s.At(0), []byte{3, 0, 7, 0, 1, 0}) {
		t.Errorf("stereo into one channel: %+v %v", s, err)
	}
	if s, err := stereo.Samples(Target{DType: tensor.S16, Shape: tensor.Shape{3, 2}}, Options{}); err != nil || len(s.At(0)) != 12 {
		t.Errorf("stereo into two: %+v %v", s, err)
	}
}

func FuzzReadWAV(f *testing.F) {
	f.Add(wav(1, 16, 8000, []int16{1, 2, 3}))
	f.Add(wav(2, 16, 48000, []int16{1, 2}))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := ReadWAV(bytes.NewReader(b))
		if err == nil && (len(s.Samples)%s.Channels != 0 || len(s.Samples) == 0 || 2*len(s.Samples) > len(b)) {
			t.Fatalf("%d samples of %d channels from %d bytes", len(s.Samples), s.Channels, len(b))
		}
	})
}
