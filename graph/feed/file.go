package feed

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"io"
	"math"
	"os"
	"unicode/utf8"

	"wayside/graph/tensor"
)

// Kind is what a file's content is. The extension plays no part.
type Kind string

// The kinds that Open reads.
const (
	NPY   Kind = "npy"
	NPZ   Kind = "npz"
	Image Kind = "picture"
	WAV   Kind = "sound"
	CSV   Kind = "table"
)

// maxFileBytes bounds a file that is read whole, 1 GiB.
const maxFileBytes = 1 << 30

// The reasons for which a readable file does not fit an input. Callers that have a switch for the remedy name it.
var (
	ErrDType     = errors.New("wrong dtype")
	ErrShape     = errors.New("wrong shape")
	ErrNormalize = errors.New("no normalization")
	ErrValue     = errors.New("wrong value")
)

// Target is the model input that a file is to fill.
type Target struct {
	Name          string
	DType         tensor.DType
	Shape         tensor.Shape // static
	Quant         *tensor.Quant
	ChannelsFirst bool // where a picture's shape leaves it open, as in [1,3,3,3]
	// Mean and Std are the normalization of pictures that the model's file asks for; those of Options go before them.
	Mean, Std []float32
}

// Options says how a file becomes samples.
type Options struct {
	// Rows makes the first axis of the file count samples; otherwise the file is one sample.
	Rows bool
	// Quantize applies the target's scale to real values, rounding as Rounding says. Without it a file must have the model's dtype.
	Quantize bool
	Rounding Rounding
	// Mean and Std normalize pictures: (pixel − mean) / std, one value for all channels or one for each.
	Mean, Std []float32
}

// File is one file, read and told apart.
type File struct {
	Name   string
	Kind   Kind
	Arrays []Named // NPY (one, without a name) and NPZ
	Table  *Table
	Image  *Picture
	Sound  *Sound
}

// Samples are inputs of one model input, one after the other, in its dtype.
type Samples struct {
	Count int
	// Dropped counts trailing values of a sound that do not fill a sample.
	Dropped int
	data    []byte
	size    int
}

// At returns the bytes of sample i, to be copied into the session's input. They alias the samples.
func (s *Samples) At(i int) []byte { return s.data[i*s.size : (i+1)*s.size] }

// Open reads the file at path. Its content decides its kind.
func Open(path string) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("feed: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("feed: %w", err)
	}
	if st.IsDir() {
		return nil, fmt.Errorf("feed: %s: %w: it is a folder", path, ErrFormat)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("feed: %w", err)
	}
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("feed: %s: %w: it has more than %d bytes", path, ErrFormat, maxFileBytes)
	}
	return Parse(data, path)
}

// Parse is Open on bytes in memory; name is for messages.
func Parse(data []byte, name string) (*File, error) {
	f := &File{Name: name}
	wrap := func(err error) (*File, error) {
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return f, nil
	}
	switch f.Kind = Sniff(data); f.Kind {
	case NPY:
		t, err := ReadNPY(bytes.NewReader(data))
		f.Arrays = []Named{{"", t}}
		return wrap(err)
	case NPZ:
		var err error
		f.Arrays, err = ParseNPZ(data)
		return wrap(err)
	case Image:
		var err error
		f.Image, err = ParsePicture(data)
		return wrap(err)
	case WAV:
		var err error
		f.Sound, err = ReadWAV(bytes.NewReader(data))
		return wrap(err)
	case CSV:
		var err error
		f.Table, err = ReadTable(bytes.NewReader(data), name) // its errors carry the name with the line
		if err != nil {
			return nil, err
		}
		return f, nil
	}
	return nil, fmt.Errorf("feed: %s: %w: its content is none of .npy, .npz, CSV, PNG, JPEG and WAV", name, ErrFormat)
}

// Sniff tells the kind from the first bytes, "" when there is none that Open reads. CSV is text that has a separator or a line end
// and no control characters.
func Sniff(data []byte) Kind {
	switch {
	case bytes.HasPrefix(data, []byte(npyMagic)):
		return NPY
	case bytes.HasPrefix(data, []byte("PK\x03\x04")), bytes.HasPrefix(data, []byte("PK\x05\x06")):
		return NPZ
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WAVE":
		return WAV
	}
	if _, _, err := image.DecodeConfig(bytes.NewReader(data)); err == nil {
		return Image
	}
	head := data[:min(len(data), 4096)]
	for len(head) > 0 && len(head) < len(data) && !utf8.Valid(head) && len(head) > 4096-utf8.UTFMax {
		head = head[:len(head)-1] // the cut may split a character
	}
	if !utf8.Valid(head) || !bytes.ContainsAny(head, ",;\t\n") {
		return ""
	}
	for _, c := range head {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return ""
		}
	}
	return CSV
}

// Pick returns the file with one array of an .npz only, for an archive that feeds several inputs.
func (f *File) Pick(i int) *File {
	g := *f
	g.Arrays = f.Arrays[i : i+1]
	return &g
}

// Samples converts the file to the dtype and shape of in. Arrays must have the dtype, or be float32 with Options.Quantize; their
// shape is the input's, which may omit a leading axis of 1. A table's cells fill the input row by row. A picture is resized,
// then normalized as Options say, else as the model's file says. A sound is cut into consecutive samples, stereo averaged unless the input has two channels. Errors wrap
// ErrDType, ErrShape, ErrNormalize or ErrValue and name file and input. The samples may alias the file.
func (f *File) Samples(in Target, o Options) (*Samples, error) {
	elems, err := in.Shape.Elems()
	if err != nil {
		return nil, fmt.Errorf("feed: input %q: %w: %w", in.Name, ErrShape, err)
	}
	s := &Samples{size: in.DType.Bytes(elems)}
	switch f.Kind {
	case NPY, NPZ:
		err = f.arraySamples(s, in, o)
	case CSV:
		err = f.tableSamples(s, in, o, elems)
	case Image:
		err = f.imageSamples(s, in, o, elems)
	case WAV:
		err = f.soundSamples(s, in, o, elems)
	}
	if err != nil {
		return nil, fmt.Errorf("feed: input %q from %s: %w", in.Name, f.Name, err)
	}
	return s, nil
}

func (f *File) arraySamples(s *Samples, in Target, o Options) error {
	if len(f.Arrays) != 1 {
		names := make([]string, len(f.Arrays))
		for i, a := range f.Arrays {
			names[i] = a.Name
		}
		return fmt.Errorf("%w: the archive has the arrays %q where one is needed", ErrShape, names)
	}
	t := f.Arrays[0].T
	sample := t.Shape
	s.Count = 1
	if o.Rows {
		if len(sample) == 0 {
			return fmt.Errorf("%w: the array is a scalar and has no axis that counts samples", ErrShape)
		}
		s.Count, sample = sample[0], sample[1:]
	}
	if !fits(sample, in.Shape) {
		what := ""
		if o.Rows {
			what = fmt.Sprintf(" (%d samples of %v)", s.Count, sample)
		}
		return fmt.Errorf("%w: the array has shape %v%s, the model wants %v", ErrShape, t.Shape, what, in.Shape)
	}
	if t.DType == in.DType {
		s.data = t.Data
		return nil
	}
	if !o.Quantize || t.DType != tensor.F32 {
		return fmt.Errorf("%w: the array has dtype %v, the model wants %v%s", ErrDType, t.DType, in.DType, quantText(in.Quant))
	}
	return s.fromReal(in, o, t.F32())
}

// fits reports whether a sample has the input's shape, or the shape without leading axes of 1.
func fits(sample, want tensor.Shape) bool {
	for {
		if sample.Equal(want) {
			return true
		}
		if len(want) == 0 || want[0] != 1 || len(sample) >= len(want) {
			return false
		}
		want = want[1:]
	}
}

func quantText(q *tensor.Quant) string {
	if !q.PerTensor() {
		return ""
	}
	z := int32(0)
	if len(q.Zero) > 0 {
		z = q.Zero[0]
	}
	return fmt.Sprintf(" (scale %v, zero point %d)", q.Scale[0], z)
}

// fromReal stores real values as the input's dtype. Without Quantize an integer input takes whole numbers in its range.
func (s *Samples) fromReal(in Target, o Options, v []float32) error {
	dst := &tensor.Tensor{DType: in.DType, Shape: tensor.Shape{len(v)}, Quant: in.Quant, Data: tensor.Aligned(in.DType.Bytes(len(v)))}
	s.data = dst.Data
	_, _, isInt := intRange(in.DType)
	switch {
	case in.DType == tensor.F32:
		copy(dst.F32(), v)
		return nil
	case isInt && o.Quantize:
		if !in.Quant.PerTensor() {
			return fmt.Errorf("%w: the model's input is %v without a scale, so real values cannot be quantized", ErrDType, in.DType)
		}
		if err := Quantize(dst, v, o.Rounding); err != nil {
			return fmt.Errorf("%w: %w", ErrValue, err)
		}
		return nil
	}
	lo, hi, ok := intRange(in.DType)
	switch in.DType {
	case tensor.S64:
		lo, hi, ok = -(1 << 53), 1<<53, true
	case tensor.U32:
		lo, hi, ok = 0, math.MaxUint32, true
	case tensor.U64:
		lo, hi, ok = 0, 1<<53, true
	case tensor.Bool:
		lo, hi, ok = 0, 1, true
	}
	if !ok {
		return fmt.Errorf("%w: real values cannot fill an input of dtype %v", ErrDType, in.DType)
	}
	put := putter(dst)
	for i, x := range v {
		f := float64(x)
		if f != math.Trunc(f) || !(f >= lo && f <= hi) { // NaN is not equal to itself
			return fmt.Errorf("%w: value %d is %v, the model wants %v from %v to %v%s", ErrDType, i+1, x, in.DType, lo, hi, quantText(in.Quant))
		}
		put(i, int64(f))
	}
	return nil
}

func (f *File) tableSamples(s *Samples, in Target, o Options, elems int) error {
	t := f.Table
	cols, rows := len(t.Columns), t.Rows()
	switch {
	case cols == 0 || rows == 0:
		return fmt.Errorf("%w: the table has %d rows of %d numbers", ErrShape, rows, cols)
	case elems == 0 || elems%cols != 0:
		return fmt.Errorf("%w: %d columns of numbers do not divide the %d values of shape %v", ErrShape, cols, elems, in.Shape)
	case o.Rows && rows*cols%elems != 0:
		return fmt.Errorf("%w: %d rows are not a multiple of the %d that make one sample of shape %v", ErrShape, rows, elems/cols, in.Shape)
	case !o.Rows && rows*cols != elems:
		return fmt.Errorf("%w: the table has %d rows of %d numbers, shape %v needs %d rows", ErrShape, rows, cols, in.Shape, elems/cols)
	}
	v := make([]float32, 0, rows*cols)
	for r := range rows {
		for c := range cols {
			x := t.Values[c][r]
			if math.IsNaN(x) {
				return fmt.Errorf("%w: line %d, column %q is empty, and a model's input has no gaps", ErrValue, t.Lines[r], t.Columns[c])
			}
			v = append(v, float32(x))
		}
	}
	s.Count = rows * cols / elems
	return s.fromReal(in, o, v)
}

func (f *File) imageSamples(s *Samples, in Target, o Options, elems int) error {
	h, w, ch, first, ok := pictureShape(in.Shape, in.ChannelsFirst)
	if !ok {
		return fmt.Errorf("%w: an input of shape %v is no picture of 1 or 3 channels", ErrShape, in.Shape)
	}
	v := make([]float32, elems)
	if err := f.Image.Resize(v, h, w, ch); err != nil {
		return err
	}
	s.Count = 1
	if len(o.Mean) == 0 && (in.DType != tensor.U8 || in.Quant != nil) { // bytes without a scale have no other meaning than the pixels
		o.Mean, o.Std = in.Mean, in.Std
	}
	if len(o.Mean) > 0 {
		if n := len(o.Mean); n != 1 && n != ch {
			return fmt.Errorf("%w: %d means for a picture of %s; one for all or one for each is needed", ErrNormalize, n, channels(ch))
		}
		if err := Normalize(v, o.Mean, o.Std); err != nil {
			return fmt.Errorf("%w: %w", ErrNormalize, err)
		}
		o.Quantize = true
	} else {
		// Without a normalization an 8-bit input takes the pixels themselves: int8 ones shifted by 128.
		shift := float32(0)
		switch in.DType {
		case tensor.S8:
			shift = 128
		case tensor.U8:
		default:
			return fmt.Errorf("%w: the model's file says none for its %v input; give mean and standard deviation of the pixels (0 and 255 for 0..1, 127.5 and 127.5 for -1..1, 0 and 1 for 0..255)", ErrNormalize, in.DType)
		}
		for i := range v {
			v[i] = float32(math.Round(float64(v[i]))) - shift
		}
		o.Quantize = false
	}
	if first {
		v = planar(v, h*w, ch)
	}
	return s.fromReal(in, o, v)
}

func channels(n int) string {
	if n == 1 {
		return "1 channel"
	}
	return fmt.Sprintf("%d channels", n)
}

// pictureShape finds height, width and channels in a shape of 3 axes, or of 4 with a leading 1. A shape that fits both orders
// is read as preferFirst says.
func pictureShape(sh tensor.Shape, preferFirst bool) (h, w, ch int, first, ok bool) {
	if len(sh) == 4 && sh[0] == 1 {
		sh = sh[1:]
	}
	if len(sh) != 3 {
		return 0, 0, 0, false, false
	}
	isLast, isFirst := sh[2] == 1 || sh[2] == 3, sh[0] == 1 || sh[0] == 3
	switch {
	case isFirst && (preferFirst || !isLast):
		return sh[1], sh[2], sh[0], true, true
	case isLast:
		return sh[0], sh[1], sh[2], false, true
	}
	return 0, 0, 0, false, false
}

// planar turns pixel order into one plane per channel.
func planar(v []float32, pixels, ch int) []float32 {
	out := make([]float32, len(v))
	for p := range pixels {
		for c := range ch {
			out[c*pixels+p] = v[p*ch+c]
		}
	}
	return out
}

func (f *File) soundSamples(s *Samples, in Target, o Options, elems int) error {
	pcm := f.Sound.Samples
	if n := len(in.Shape); f.Sound.Channels == 2 && (n == 0 || in.Shape[n-1] != 2) {
		pcm = f.Sound.Mono()
	}
	switch {
	case elems == 0 || len(pcm) < elems:
		return fmt.Errorf("%w: the sound has %d values, shape %v needs %d", ErrShape, len(pcm), in.Shape, elems)
	case !o.Rows && len(pcm) != elems:
		return fmt.Errorf("%w: the sound has %d values, shape %v needs %d; run it row by row to cut it", ErrShape, len(pcm), in.Shape, elems)
	}
	s.Count = len(pcm) / elems
	s.Dropped = len(pcm) % elems
	pcm = pcm[:s.Count*elems]
	if in.DType == tensor.S16 && !o.Quantize {
		dst := tensor.Tensor{DType: tensor.S16, Data: tensor.Aligned(2 * len(pcm))}
		copy(dst.S16(), pcm)
		s.data = dst.Data
		return nil
	}
	if in.DType != tensor.F32 && !o.Quantize {
		return fmt.Errorf("%w: a sound fills float32 and int16 inputs, the model wants %v%s", ErrDType, in.DType, quantText(in.Quant))
	}
	return s.fromReal(in, o, Floats(pcm))
}
