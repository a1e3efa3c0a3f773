// Package draw lays a directed graph out in layers and writes it as plain SVG.
//
// Holds: the layout and the drawing of boxes and links.
// Never holds: models, files, flags.
// May import: the standard library.
// Start reading at: SVG.
package draw
