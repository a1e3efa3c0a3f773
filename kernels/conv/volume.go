package conv

// Volume is the shape of a convolution over NDHWC data; index 0 of its arrays is depth, 1 height, 2 width.
type Volume struct {
	Batch, C, OutC            int
	In, Out, K                [3]int
	Stride, Dilation, PadHead [3]int
}

// VolumeF32 convolves src into dst with w[KD][KH][KW][C][OutC], an optional bias and a clamp. Products are added in order
// of taps and channels. acc is scratch of OutC elements.
func VolumeF32(dst, src []float32, g *Volume, w, bias []float32, lo, hi float32, acc []float32) {
	pixels := g.Batch * g.Out[0] * g.Out[1] * g.Out[2]
	if len(dst) < pixels*g.OutC || len(src) < g.Batch*g.In[0]*g.In[1]*g.In[2]*g.C || len(w) < g.K[0]*g.K[1]*g.K[2]*g.C*g.OutC || len(acc) < g.OutC {
		panic("conv: slice length mismatch")
	}
	acc = acc[:g.OutC]
	at := 0
	for b := range g.Batch {
		for z := range g.Out[0] {
			for y := range g.Out[1] {
				for x := range g.Out[2] {
					g.voxel(acc, src, w, b, z, y, x)
					out := dst[at : at+g.OutC]
					for c, a := range acc {
						if bias != nil {
							a += bias[c]
						}
						out[c] = min(max(a, lo), hi)
					}
					at += g.OutC
				}
			}
		}
	}
}

// voxel sums the products of one output voxel.
func (g *Volume) voxel(acc, src, w []float32, b, oz, oy, ox int) {
	clear(acc)
	for kz := range g.K[0] {
		z := oz*g.Stride[0] - g.PadHead[0] + kz*g.Dilation[0]
		if z < 0 || z >= g.In[0] {
			continue
		}
		for ky := range g.K[1] {
			y := oy*g.Stride[1] - g.PadHead[1] + ky*g.Dilation[1]
			if y < 0 || y >= g.In[1] {
				continue
			}
			for kx := range g.K[2] {
				x := ox*g.Stride[2] - g.PadHead[2] + kx*g.Dilation[2]
				if x < 0 || x >= g.In[2] {
					continue
				}
				row := src[(((b*g.In[0]+z)*g.In[1]+y)*g.In[2]+x)*g.C:][:g.C]
				f := ((kz*g.K[1]+ky)*g.K[2] + kx) * g.C * g.OutC
				for _, v := range row {
					for c, u := range w[f : f+len(acc)] {
						acc[c] += float32(v * u)
					}
					f += len(acc)
				}
			}
		}
	}
}
