package gemm

import (
	"hash/crc32"
	"slices"
	"testing"

	"wayside/kernels/internal/kerneltest"
	"wayside/kernels/requant"
)

// layouts are checksums of panels by their id. Where one changes, Layout must grow, or files of an older program would be read as if they were of this one.
var layouts = map[string]uint32{
	"f32/4x8/neon 67 45":     0x740e3d65,
	"f32/8x8/neon 67 45":     0x740e3d65,
	"f32/avx2 67 45":         0x29e64428,
	"f32/avx512 67 45":       0xa7913a2d,
	"f32/generic 67 45":      0xf7221f35,
	"f32bf16/4x8/neon 67 45": 0x1f765469,
	"f32bf16/8x8/neon 67 45": 0x1f765469,
	"f32bf16/avx2 67 45":     0x080c1323,
	"f32bf16/avx512 67 45":   0x6b5fce90,
	"f32bf16/generic 67 45":  0x2925bfbf,
	"f32f16/8x8/neon 67 45":  0x33ea4ff8,
	"f32f16/avx2 67 45":      0x112e9b71,
	"f32f16/avx512 67 45":    0xeb89f432,
	"s4/4x8/dotprod 67 45":   0x0b63e755,
	"s4/avx2 67 45 1":        0xd9acb7b3,
	"s4/avx512vnni 67 45 1":  0xe35f43a4,
	"s8/2x4/neon 67 45":      0x4cc6f786,
	"s8/4x4/neon 67 45":      0x4cc6f786,
	"s8/8x8/dotprod 67 45":   0xeb9fb77f,
	"s8/8x8/i8mm 67 45":      0x7657d8aa,
	"s8/avx2 67 45 1":        0x20cc566c,
	"s8/avx2 67 45 3":        0x95feeb2b,
	"s8/avx512vnni 67 45 1":  0xe96a5784,
	"s8/avx512vnni 67 45 3":  0x59490475,
	"s8/avxvnni 67 45 1":     0x053651fe,
	"s8/avxvnni 67 45 3":     0xeb109705,
	"s8/generic 67 45":       0xcf4509ff,
}

// layoutStore checks what packing has made.
type layoutStore struct {
	t     *testing.T
	made  map[string][]byte
	ready map[string][]byte
}

func (s *layoutStore) Panel(id string, weights []byte, n int) ([]byte, bool) {
	if b, ok := s.ready[id]; ok && len(b) == n {
		return b, true
	}
	b := make([]byte, n)
	s.made[id] = b
	return b, false
}

func (s *layoutStore) check() {
	s.t.Helper()
	for id, b := range s.made {
		if sum := crc32.ChecksumIEEE(b); sum != layouts[id] {
			s.t.Errorf("the panels of %q have the checksum %#08x, not %#08x: if that is meant, Layout becomes %d and the sum goes here", id, sum, layouts[id], Layout+1)
		}
	}
	if len(s.made) == 0 {
		s.t.Error("nothing was packed")
	}
}

func layoutWeights[T int8 | float32](n int) []T {
	w := make([]T, n)
	for i := range w {
		w[i] = T(int8(i*37 + i>>8))
	}
	return w
}

const layoutN, layoutK = 67, 45

// TestLayout checks where packing puts weights, and that panels from a store give the same results as fresh ones.
func TestLayout(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		w, f := layoutWeights[int8](layoutN*layoutK), layoutWeights[float32](layoutN*layoutK)
		q := requant.Params{Mult: []int32{1 << 30}, Shift: []int32{-8}, Min: -128, Max: 127}
		x, xf := layoutWeights[int8](3*layoutK), layoutWeights[float32](3*layoutK)
		run := func(s *layoutStore) ([]int8, []float32) {
			p := PackS8In(s, ManyRows, w, layoutN, layoutK, nil, 3, 0, q)
			y, yf := make([]int8, 3*layoutN), make([]float32, 3*3*layoutN)
			S8(y, layoutN, x, layoutK, 3, p, make([]byte, p.Scratch(3)))
			for i, form := range []form{full, brain, half} {
				F32(yf[i*3*layoutN:], layoutN, xf, layoutK, 3, packF32(s, form, f, layoutN, layoutK, nil, -1e9, 1e9))
			}
			return y, yf
		}
		s := &layoutStore{t: t, made: map[string][]byte{}}
		y, yf := run(s)
		s.check()
		small := slices.Clone(w)
		for i := range small {
			small[i] >>= 4
		}
		if four := (&layoutStore{t: t, made: map[string][]byte{}}); PackS8In(four, 1, small, layoutN, layoutK, nil, 3, 0, q).FourBits() {
			four.check()
		}
		again := &layoutStore{t: t, made: map[string][]byte{}, ready: s.made}
		z, zf := run(again)
		if !slices.Equal(y, z) || !slices.Equal(yf, zf) {
			t.Fatal("panels from a store give other results")
		}
		if len(again.made) > 0 {
			t.Fatal("panels that are ready are made again")
		}
	})
}
