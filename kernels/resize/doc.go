// Package resize scales NHWC pictures: nearest neighbour and bilinear, in the arithmetic of TensorFlow Lite.
//
// Holds: the places that output rows and columns read, and the loops over them.
// Never holds: tensors, options of model formats.
// May import: the standard library, kernels/internal.
// Start reading at: NewTaps, BilinearF32.
package resize
