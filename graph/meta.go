package graph

import (
	"strings"
	"unicode"
)

// Meta is what a file says about itself, for people and for what feeds the model. Nothing in it changes what is computed,
// and every field may be empty. Readers pass its texts through CleanText.
type Meta struct {
	Name, Description, Version, Author, License string

	Producer   string      // the program that wrote the file
	MinRuntime string      // TFLite: the oldest runtime that knows all its operators, as the converter says
	Inputs     []IOMeta    // by position; nil when the file says nothing
	Outputs    []IOMeta    // by position; nil when the file says nothing
	Signatures []Signature // TFLite: the names that the model had where it was made
	Notes      []string    // metadata that is left out because it could not be read, and why
}

// IOMeta is what a file's metadata says of one input or output.
type IOMeta struct {
	Name        string // for people: image, probability
	Description string
	Labels      []string // a name for each place on the last axis, or, with ValueLabels, for each value
	ValueLabels bool
	// Mean and Std normalize the pixels of a picture, (pixel − mean) / std: as many of each, one for all channels or one
	// for each. Std is positive.
	Mean, Std []float32
	Min, Max  []float32 // range of the real values, one for all channels or one for each
}

// Signature is one set of names for a model's inputs and outputs.
type Signature struct {
	Key     string
	Inputs  []Binding
	Outputs []Binding
}

// Binding is a name for the input or output at position Index.
type Binding struct {
	Name  string
	Index int
}

// InputName returns the position of the input that a signature calls name.
func (m *Meta) InputName(name string) (int, bool) {
	for _, s := range m.Signatures {
		for _, b := range s.Inputs {
			if b.Name == name {
				return b.Index, true
			}
		}
	}
	return 0, false
}

// ioMeta returns element i of a list that may be shorter.
func ioMeta(list []IOMeta, i int) IOMeta {
	if i < len(list) {
		return list[i]
	}
	return IOMeta{}
}

// CleanText makes a text of a file fit for a terminal, a page and JSON: valid UTF-8 on one line, no control characters, at most
// 4096 bytes.
func CleanText(s string) string {
	const limit = 4096
	s = strings.ToValidUTF8(s[:min(len(s), limit)], "")
	return strings.TrimSpace(strings.Map(func(c rune) rune {
		switch {
		case unicode.IsSpace(c):
			return ' '
		case !unicode.IsPrint(c):
			return -1
		}
		return c
	}, s))
}
