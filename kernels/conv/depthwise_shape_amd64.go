package conv

// dwShape says how a depthwise convolution is computed: output rows in vectors of width values, from padded lines of input.
//
// Where the channels fill whole vectors, a run of vectors goes from pixel to pixel with one block of channels. Otherwise an output row is
// taken as a flat row of values, and run p has the vectors p, p + period, p + 2·period…: all of them see the same channels in the same lanes. For
// the taps of neighbouring outputs to be neighbours too, a line then holds the columns by their remainder modulo the stride, one phase behind the
// other. Lines hold each input channel as often as it has output channels.
type dwShape struct {
	Geometry
	width         int // values of a vector
	phases, phase int // parts of a line, and the values of each
	line, ring    int // values of a line; lines
	xstep, dstep  int // values from one vector of a run to the next: in a line, in the output
	runs          []dwRun
}

// dwRun is a run of vectors of an output row.
type dwRun struct {
	at      int // place of the first value in the row
	n, last int // values that count in a vector, and in the last one
	vectors int
	width   int // values of a vector, or fewer where n fits
}

// Bounds of what is packed: beyond them Depthwise does it.
const (
	dwMaxTaps    = 1 << 10
	dwMaxRuns    = 64
	dwMaxScratch = 8 << 20
)

// newDwShape plans vectors of width values; together says how many output rows are computed at once. It returns nil for what is too large.
func newDwShape(g *Geometry, width, together int) *dwShape {
	s := &dwShape{Geometry: *g, width: width, phases: 1}
	c := g.OutC
	if c == 0 || g.C == 0 || c%g.C != 0 || g.OutW < 1 || g.OutH < 1 || g.KH*g.KW > dwMaxTaps {
		return nil
	}
	blocks, vectors := (c+width-1)/width, (g.OutW*c+width-1)/width
	period := c / gcd(c, width)
	if runs := min(period, vectors); c%width != 0 && runs <= dwMaxRuns && 2*vectors+runs < 2*g.OutW*blocks+blocks {
		s.phases, s.xstep, s.dstep = g.StrideW, period*width, period*width
		for p := range runs {
			r := dwRun{at: p * width, n: width, last: width, width: width, vectors: (vectors-p-1)/period + 1}
			if (vectors-1)%period == p {
				r.last = g.OutW*c - (vectors-1)*width
			}
			s.runs = append(s.runs, r)
		}
	} else {
		s.xstep, s.dstep = g.StrideW*c, c
		for at := 0; at < c; at += width {
			n := min(width, c-at)
			s.runs = append(s.runs, dwRun{at: at, n: n, last: n, width: width, vectors: g.OutW})
		}
	}
	columns := (g.OutW-1)*g.StrideW + (g.KW-1)*g.DilW + 1
	s.phase = ((columns+s.phases-1)/s.phases*c + 63) &^ 63
	s.line = s.phases * s.phase
	s.ring = (g.KH-1)*g.DilH + 1 + (together-1)*g.StrideH
	if s.ring*s.line > dwMaxScratch {
		return nil
	}
	return s
}

// channel returns the output channel of value i of a run's vectors.
func (s *dwShape) channel(r *dwRun, i int) int { return (r.at + i) % s.OutC }

// column returns where column x of the padded image lies in a line.
func (s *dwShape) column(x int) int { return x%s.phases*s.phase + x/s.phases*s.OutC }

// columns returns how many input columns of a line matter.
func (s *dwShape) columns() int {
	return max(0, min(s.W, (s.OutW-1)*s.StrideW+(s.KW-1)*s.DilW+1-s.PadLeft))
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
