package main

// vendorAMD64 writes the question for the maker of the CPU.
func vendorAMD64() []byte {
	a := newAsm("The maker of the CPU.")
	a.text("vendor", "$0-4", "func vendor() uint32: the first four letters of CPUID's leaf 0")
	a.op("XORL AX, AX")
	a.op("CPUID")
	a.op("MOVL BX, ret+0(FP)")
	a.op("RET")
	return a.Bytes()
}
