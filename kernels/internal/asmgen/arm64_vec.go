package main

// The element-wise functions on ARMv8. Their argument is vec.armElem: dst, a, b, blocks, how far a and b move from one block to the next (nothing where
// an input is one value for all, which then fills a block), and numbers. A block is 16 values.
const (
	elemDst    = 0
	elemA      = 8
	elemB      = 16
	elemBlocks = 24
	elemStepA  = 32
	elemStepB  = 40
	elemF      = 48 // five floats
	elemLo     = 68 // lower and upper bound, bytes
	elemZero   = 72 // zero point
)

// blocks writes a function that runs setup and then body for each block of size bytes of output: R1 output, R2 and R3 inputs, R7 and R8 free.
func (a arm64) blocks(name, comment string, size int, setup, body func()) {
	a.fn(name, comment)
	a.op("MOVD t+0(FP), R0")
	a.op("MOVD %d(R0), R1", elemDst)
	a.op("MOVD %d(R0), R2", elemA)
	a.op("MOVD %d(R0), R3", elemB)
	a.op("MOVD %d(R0), R4", elemBlocks)
	a.op("MOVD %d(R0), R5", elemStepA)
	a.op("MOVD %d(R0), R6", elemStepB)
	setup()
	loop := a.label("loop")
	a.at(loop)
	body()
	a.op("ADD R5, R2")
	a.op("ADD R6, R3")
	a.op("ADD $%d, R1", size)
	a.op("SUBS $1, R4")
	a.op("BNE %s", loop)
	a.op("RET")
}

// floats loads n of the argument's floats into V(first) and the following, each into all places.
func (a arm64) floats(first, n int) {
	a.op("ADD $%d, R0, R7", elemF)
	for i := range n {
		a.op("VLD1R.P 4(R7), [V%d.S4]", first+i)
	}
}
