// Package detect turns the raw results of an object detector into boxes: it decodes them against anchors and drops those that overlap
// better ones.
//
// Holds: box decoding, overlap, greedy non-maximum suppression in the forms that TensorFlow Lite has.
// Never holds: tensors, options of model formats.
// May import: the standard library, kernels/vec.
// Start reading at: Decode, PostProcess, Suppress.
package detect
