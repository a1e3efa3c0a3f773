// Package tensor holds dtypes, shapes, quantization parameters and views of memory.
//
// Holds: descriptions of data, and typed views of bytes.
// Never holds: arithmetic, formats, files.
// May import: the standard library and go-bfloat16's type.
// Start reading at: Tensor.
package tensor
