package main

import (
	"io"
	"strings"
	"unicode/utf8"
)

// screenWidth is how many columns a line for people may take.
const screenWidth = 100

// columns prints rows in columns, each as wide as its longest cell and two blanks apart, under an optional head. The columns named in
// right, such as numbers, stand flush right. The last column is cut so that a line fits the screen.
type columns struct {
	indent string
	right  map[int]bool
	cut    func(string, int) string // how the last column is shortened; nil for at its end
	shrink bool                     // the first column gives way where a line would not fit the screen
	rows   [][]string
}

func (t *columns) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *columns) write(w io.Writer) error {
	var widths []int
	for _, r := range t.rows {
		for i, c := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c))
		}
	}
	if t.shrink {
		over := len(t.indent) - 2 - screenWidth
		for _, n := range widths {
			over += n + 2
		}
		if over > 0 {
			widths[0] = max(widths[0]-over, 12)
			for _, r := range t.rows {
				r[0] = clip(r[0], widths[0])
			}
		}
	}
	var b strings.Builder
	for _, r := range t.rows {
		line := t.indent
		at := utf8.RuneCountInString(line)
		for i, c := range r {
			if i == len(widths)-1 && !t.right[i] {
				cut := t.cut
				if cut == nil {
					cut = clip
				}
				c = cut(c, max(screenWidth-at, 12))
			}
			pad := strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(c)))
			switch {
			case t.right[i]:
				line += pad + c + "  "
			default:
				line += c + pad + "  "
			}
			at += widths[i] + 2
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// wrap breaks a text into lines of at most width characters, at blanks.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
