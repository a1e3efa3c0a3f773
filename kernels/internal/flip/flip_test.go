package flip

import (
	"testing"

	"wayside/kernels/internal/kerneltest"
)

func TestCopy(t *testing.T) {
	kerneltest.EachTier(t, func(t *testing.T) {
		for n := range 600 {
			for _, atEnd := range []bool{false, true} {
				if n > 70 && n%37 != 0 && n < 250 {
					continue
				}
				src, dst := kerneltest.Guarded[int8](t, n, atEnd), kerneltest.Guarded[byte](t, n, atEnd)
				for i := range src {
					src[i] = int8(i * 7)
				}
				Copy(dst, src)
				for i := range src {
					if dst[i] != byte(int(src[i])+128) {
						t.Fatalf("n=%d: byte %d of %d became %d", n, i, src[i], dst[i])
					}
				}
			}
		}
	})
}
