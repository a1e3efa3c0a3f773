// Package trees runs ensembles of decision trees: forests and boosted trees.
//
// Holds: the flat form of an ensemble, its check, the walk from root to leaf.
// Never holds: tensors, attributes of model formats, what makes probabilities of scores.
// May import: the standard library.
// Start reading at: Ensemble.
package trees
