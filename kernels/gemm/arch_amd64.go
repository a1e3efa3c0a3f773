package gemm

import (
	"strconv"

	"wayside/kernels/internal/cpu"
)

// packS8Arch packs for the best tiles of this machine, nil where only the generic kernel is exact.
func packS8Arch(w []int8, n, k int, bias, mult, shift []int32, zero, lo, hi int32) s8Packed {
	if cpu.Has(cpu.AVX512VNNI) {
		if p := packS8AVX512(w, n, k, bias, mult, shift, zero, lo, hi); p != nil {
			return p
		}
	}
	return nil
}

// packF32Arch packs for the best tiles of this machine, nil for the generic kernel.
func packF32Arch(w []float32, n, k int, bias []float32, lo, hi float32) f32Packed {
	if cpu.Has(cpu.AVX512VNNI) {
		return packF32AVX512(w, n, k, bias, lo, hi)
	}
	return nil
}

// tilesHigh is the length of a row of the tables of tiles, and of the highest tile.
const tilesHigh = 12

// maxRows is how many rows a tile of so many vectors has at most: it has 24 accumulators.
func maxRows(vectors int) int { return min(24/vectors, tilesHigh) }

// split divides m rows into tiles of two heights: taller ones of height+1, the rest of height.
func split(m, vectors int) (tiles, height, taller int) {
	most := maxRows(vectors)
	tiles = (m + most - 1) / most
	return tiles, m / tiles, m % tiles
}

// tileID names the widest tile of a packing.
func tileID(vectors int, isa string) string {
	return strconv.Itoa(maxRows(vectors)) + "x" + strconv.Itoa(16*vectors) + "/" + isa
}
