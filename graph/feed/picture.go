package feed

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg" // registered for image.Decode
	_ "image/png"  // registered for image.Decode
)

// maxPixels bounds a picture before it is decoded; the largest of common cameras have 24 million.
const maxPixels = 24 << 20

// Picture is 8-bit RGB, row by row, three bytes per pixel.
type Picture struct {
	Width, Height int
	RGB           []uint8
}

// ParsePicture decodes a PNG or JPEG. Transparency is dropped, not blended.
func ParsePicture(data []byte) (*Picture, error) {
	cfg, kind, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("feed: read picture: %w: %w", ErrFormat, err)
	}
	if cfg.Width < 1 || cfg.Height < 1 || cfg.Width > maxPixels/cfg.Height {
		return nil, fmt.Errorf("feed: read picture: %w: %d × %d pixels; at most %d are read", ErrFormat, cfg.Width, cfg.Height, maxPixels)
	}
	img, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("feed: read %s: %w: %w", kind, ErrFormat, err)
	}
	b := img.Bounds()
	p := &Picture{Width: b.Dx(), Height: b.Dy(), RGB: make([]uint8, 3*b.Dx()*b.Dy())}
	i := 0
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			p.RGB[i], p.RGB[i+1], p.RGB[i+2] = c.R, c.G, c.B
			i += 3
		}
	}
	return p, nil
}

// Resize scales to height × width with half-pixel bilinear interpolation and writes values in 0..255 to dst, which has
// height × width × channels elements, channels last. One channel is luminance (ITU-R BT.601). This is the
// resize of TensorFlow with half_pixel_centers and no antialiasing: at large reductions source pixels are skipped.
func (p *Picture) Resize(dst []float32, height, width, channels int) error {
	if channels != 1 && channels != 3 {
		return fmt.Errorf("feed: resize picture: %d channels; 1 and 3 are possible", channels)
	}
	if height < 1 || width < 1 || len(dst) != height*width*channels {
		return fmt.Errorf("feed: resize picture: %d places for %d × %d × %d values", len(dst), height, width, channels)
	}
	xs, ys := taps(width, p.Width), taps(height, p.Height)
	i := 0
	for _, ty := range ys {
		r0, r1 := p.RGB[3*p.Width*ty.lo:], p.RGB[3*p.Width*ty.hi:]
		for _, tx := range xs {
			var rgb [3]float32
			for c := range rgb {
				top := lerp(r0[3*tx.lo+c], r0[3*tx.hi+c], tx.f)
				bottom := lerp(r1[3*tx.lo+c], r1[3*tx.hi+c], tx.f)
				rgb[c] = top + float32((bottom-top)*ty.f)
			}
			if channels == 3 {
				copy(dst[i:], rgb[:])
			} else {
				dst[i] = float32(0.299*rgb[0]) + float32(0.587*rgb[1]) + float32(0.114*rgb[2])
			}
			i += channels
		}
	}
	return nil
}

// lerp rounds the product before the sum, so that every CPU gives the same bits.
func lerp(a, b uint8, f float32) float32 {
	x, y := float32(a), float32(b)
	return x + float32((y-x)*f)
}

// tap is where one output coordinate reads: between lo and hi, f of the way.
type tap struct {
	lo, hi int
	f      float32
}

func taps(out, in int) []tap {
	ts := make([]tap, out)
	scale := float32(in) / float32(out)
	for i := range ts {
		at := float32((float32(i)+0.5)*scale) - 0.5
		at = min(max(at, 0), float32(in-1))
		lo := int(at)
		ts[i] = tap{lo, min(lo+1, in-1), at - float32(lo)}
	}
	return ts
}
