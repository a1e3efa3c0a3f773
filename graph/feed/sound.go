package feed

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
)

// maxSoundBytes bounds the samples of one WAV file: 512 MiB are more than an hour of 48 kHz stereo.
const maxSoundBytes = 512 << 20

// Sound is 16-bit PCM.
type Sound struct {
	Rate     int // samples per second and channel
	Channels int // 1 or 2
	Samples  []int16
	// Channels are interleaved in Samples.
}

// ReadWAV reads a RIFF WAVE file with 16-bit PCM, mono or stereo. A stream whose size fields were never filled in is read to
// its end. Format: Microsoft, Multimedia Programming Interface and Data Specifications 1.0, and WAVEFORMATEXTENSIBLE.
func ReadWAV(r io.Reader) (*Sound, error) {
	s, err := readWAV(bufio.NewReader(r))
	if err != nil {
		return nil, fmt.Errorf("feed: read wav: %w", err)
	}
	return s, nil
}

func readWAV(r io.Reader) (*Sound, error) {
	var h [12]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return nil, short(err, "the RIFF header")
	}
	if string(h[:4]) != "RIFF" || string(h[8:]) != "WAVE" {
		return nil, fmt.Errorf("%w: not a RIFF WAVE file", ErrFormat)
	}
	s := &Sound{}
	for {
		var c [8]byte
		if _, err := io.ReadFull(r, c[:]); err != nil {
			return nil, short(err, "its chunks, before any data")
		}
		id, size := string(c[:4]), binary.LittleEndian.Uint32(c[4:])
		switch {
		case id == "fmt ":
			if err := s.readFmt(r, size); err != nil {
				return nil, err
			}
		case id == "data" && s.Channels == 0:
			return nil, fmt.Errorf("%w: its data come before its format", ErrFormat)
		case id == "data":
			return s, s.readData(r, size)
		default:
			if _, err := io.CopyN(io.Discard, r, int64(size)+int64(size&1)); err != nil {
				return nil, short(err, fmt.Sprintf("chunk %q", id))
			}
		}
	}
}

func (s *Sound) readFmt(r io.Reader, size uint32) error {
	if size < 16 || size > 1024 {
		return fmt.Errorf("%w: its format chunk has %d bytes", ErrFormat, size)
	}
	b := make([]byte, size+size&1)
	if _, err := io.ReadFull(r, b); err != nil {
		return short(err, "its format chunk")
	}
	tag, ch := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
	rate, bits := binary.LittleEndian.Uint32(b[4:]), binary.LittleEndian.Uint16(b[14:])
	if tag == 0xfffe && size >= 26 { // extensible: the real tag begins the subformat
		tag = binary.LittleEndian.Uint16(b[24:])
	}
	switch {
	case tag != 1 || bits != 16:
		return fmt.Errorf("%w: %d-bit samples of format %d; 16-bit PCM is read", ErrFormat, bits, tag)
	case ch < 1 || ch > 2:
		return fmt.Errorf("%w: %d channels; mono and stereo are read", ErrFormat, ch)
	case rate == 0 || rate > 1<<20:
		return fmt.Errorf("%w: a rate of %d samples per second", ErrFormat, rate)
	}
	s.Rate, s.Channels = int(rate), ch
	return nil
}

func (s *Sound) readData(r io.Reader, size uint32) error {
	streamed := size == 0 || size == 0xffffffff
	if !streamed && size > maxSoundBytes {
		return fmt.Errorf("%w: more than %d bytes of samples", ErrFormat, maxSoundBytes)
	}
	if streamed {
		size = maxSoundBytes
	}
	data, err := io.ReadAll(io.LimitReader(r, int64(size)))
	if err != nil {
		return err
	}
	frame := 2 * s.Channels
	if !streamed && len(data) < int(size) {
		return fmt.Errorf("%w: %d bytes of samples are announced, %d are there", ErrFormat, size, len(data))
	}
	s.Samples = make([]int16, len(data)/frame*s.Channels)
	for i := range s.Samples {
		s.Samples[i] = int16(binary.LittleEndian.Uint16(data[2*i:]))
	}
	if len(s.Samples) == 0 {
		return fmt.Errorf("%w: it holds no samples", ErrFormat)
	}
	return nil
}

// Mono returns one channel: stereo is averaged.
func (s *Sound) Mono() []int16 {
	if s.Channels == 1 {
		return s.Samples
	}
	m := make([]int16, len(s.Samples)/2)
	for i := range m {
		m[i] = int16((int(s.Samples[2*i]) + int(s.Samples[2*i+1])) >> 1)
	}
	return m
}

// Floats maps 16-bit samples to [-1, 1) in steps of 1/32768.
func Floats(samples []int16) []float32 {
	f := make([]float32, len(samples))
	for i, v := range samples {
		f[i] = float32(v) / 32768
	}
	return f
}
