package load

import "wayside/graph/tensor"

// A model with so many bytes has its packed weights in one piece: large pages can back that, and a large model runs 2 to 4 % faster. With fewer the memory is
// worth more than the time.
const onePiece = 8 << 20

// pieces is graph.Panels for a load without a cache.
type pieces struct {
	free []byte
}

// newPieces returns memory for the weights of a file of so many bytes. What they do not take is never written to.
func newPieces(file int) *pieces {
	const padding = 8 // panels are padded to whole tiles: the part of the file that this may add
	return &pieces{free: tensor.Aligned(file + file/padding)}
}

// Panel implements graph.Panels. What no longer fits has memory of its own.
func (p *pieces) Panel(_ string, _ []byte, n int) ([]byte, bool) {
	const align = 64
	if n > len(p.free) {
		return tensor.Aligned(n), false
	}
	b := p.free[:n:n]
	p.free = p.free[min((n+align-1)&^(align-1), len(p.free)):]
	return b, false
}
