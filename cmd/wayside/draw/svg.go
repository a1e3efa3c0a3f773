package draw

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Class is the look of a box.
type Class string

// The looks.
const (
	End   Class = "end"   // an input or output of the whole
	State Class = "state" // what is kept from one run to the next
	Heavy Class = "heavy" // multiplies and adds
	Light Class = "light" // other work
	Free  Class = "free"  // costs nothing
)

// Box is one box: its lines of text, the first one bold, and what a pointer resting on it shows.
type Box struct {
	Class Class
	Lines []string
	Tip   string
	Share float64 // 0 to 1: the length of the bar on its lower edge
}

// Link leads from one box to later ones.
type Link struct {
	From  int
	To    []int
	Label string
}

const (
	margin    = 24
	lineH     = 15
	titleH    = 20
	minBoxW   = 96
	maxLine   = 38 // characters of a line of text
	boxPad    = 9
	labelSkip = 5 // from a link to its label
)

const style = `<style>
text{font:11px Helvetica,Arial,sans-serif;fill:#24292f}
.op{font-weight:bold}
.kernel,.edge{fill:#57606a}
.edge{font-size:10px;paint-order:stroke;stroke:#fff;stroke-width:3px}
.title{font-size:14px;font-weight:bold}
rect{stroke:#57606a}
.end rect{fill:#d7f0dc}
.state rect{fill:#fff3d1;stroke-dasharray:4 3}
.heavy rect{fill:#d6e6fb}
.light rect{fill:#f1f2f4}
.free rect{fill:#fff;stroke-dasharray:2 3}
.heavy rect.bar,.light rect.bar{fill:#1f6feb;stroke:none}
path{fill:none;stroke:#6e7781;stroke-width:1.3}
</style>
<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0,0 L8,4 L0,8 z" style="fill:#6e7781;stroke:none"/></marker></defs>
`

// SVG writes the graph. Boxes stand in an order in which links lead forward only. The same graph gives the same bytes. All texts are
// escaped. It returns ErrTooLarge before it has written anything.
func SVG(w io.Writer, title []string, boxes []Box, links []Link) error {
	widths, labels := make([]float64, len(boxes)), make([]float64, len(boxes))
	lines := 1
	for i, b := range boxes {
		widths[i] = minBoxW
		lines = max(lines, len(b.Lines))
		for k, s := range b.Lines {
			size := 11.0
			if k == 0 {
				size = 11.8 // bold
			}
			widths[i] = max(widths[i], textWidth(clip(s), size)+2*boxPad)
		}
	}
	fanOut := make([]int, len(boxes))
	for _, ln := range links {
		fanOut[ln.From]++
		labels[ln.From] = max(labels[ln.From], labelSkip+textWidth(ln.Label, 10))
	}
	l, err := place(widths, labels, links)
	if err != nil {
		return err
	}
	boxH := float64(lines*lineH + boxPad)
	top := func(layer int) float64 { return margin + float64(len(title)*titleH) + float64(layer)*(boxH+gapY) }
	width := l.width + 2*margin
	for _, s := range title {
		width = max(width, textWidth(s, 13)+2*margin)
	}
	height := top(len(l.layers)) - gapY + margin
	shift := margin + (width-2*margin-l.width)/2
	for i := range l.nodes {
		l.nodes[i].x += shift
	}

	out := bufio.NewWriter(w)
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f">`+"\n", width, height, width, height)
	out.WriteString(style)
	fmt.Fprintf(out, `<path d="M0,0 h%.0f v%.0f h-%.0f z" style="fill:#fff;stroke:none"/>`+"\n", width, height, width)
	for i, s := range title {
		class := "kernel"
		if i == 0 {
			class = "title"
		}
		fmt.Fprintf(out, `<text class="%s" x="%d" y="%d">%s</text>`+"\n", class, margin, margin+i*titleH+4, escape(s))
	}
	for _, s := range l.segments {
		a, b := &l.nodes[s.from], &l.nodes[s.to]
		ya, yb := top(l.layerOf[s.from])+boxH, top(l.layerOf[s.to])
		fmt.Fprintf(out, `<path d="M%.1f,%.1f`, a.x, ya)
		mid := (ya + yb) / 2
		fmt.Fprintf(out, ` C%.1f,%.1f %.1f,%.1f %.1f,%.1f`, a.x, mid, b.x, mid, b.x, yb)
		if b.box < 0 { // straight on, between the boxes of that layer
			fmt.Fprintf(out, ` V%.1f"/>`+"\n", yb+boxH)
		} else {
			out.WriteString(`" marker-end="url(#a)"/>` + "\n")
		}
	}
	for _, s := range l.segments {
		if text := links[s.link].Label; s.first && text != "" {
			x, y := l.nodes[s.from].x+labelSkip, top(l.layerOf[s.from])+boxH+13
			if fanOut[links[s.link].From] > 1 { // several values leave one box: each label stands where its own link ends
				x, y = l.nodes[s.to].x+labelSkip, top(l.layerOf[s.to])-9
			}
			fmt.Fprintf(out, `<text class="edge" x="%.1f" y="%.1f">%s</text>`+"\n", x, y, escape(text))
		}
	}
	for i, n := range l.nodes {
		if n.box >= 0 {
			drawBox(out, &boxes[n.box], n.x-n.w/2, top(l.layerOf[i]), n.w, boxH)
		}
	}
	out.WriteString("</svg>\n")
	return out.Flush()
}

func drawBox(out *bufio.Writer, b *Box, x, y, w, h float64) {
	round := 5
	if b.Class == End {
		round = 14
	}
	fmt.Fprintf(out, `<g class="%s"><title>%s</title><rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="%d"/>`, b.Class, escape(b.Tip), x, y, w, h, round)
	if b.Share > 0 {
		fmt.Fprintf(out, `<rect class="bar" x="%.1f" y="%.1f" width="%.1f" height="3"/>`, x+1, y+h-4, max(1, b.Share*(w-2)))
	}
	first := y + (h-float64(len(b.Lines)*lineH))/2 + lineH - 4
	for k, s := range b.Lines {
		class := ""
		switch k {
		case 0:
			class = ` class="op"`
		case 2:
			class = ` class="kernel"`
		}
		fmt.Fprintf(out, `<text%s x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, class, x+w/2, first+float64(k*lineH), escape(clip(s)))
	}
	out.WriteString("</g>\n")
}

// textWidth is what a text takes in the widest of the common fonts.
func textWidth(s string, size float64) float64 {
	n := 0.0
	for _, c := range s {
		switch {
		case unicode.IsUpper(c) || c == '_':
			n += 0.70
		case strings.ContainsRune("iljtf,.[]()/ ", c):
			n += 0.40
		default:
			n += 0.62
		}
	}
	return n * size
}

// clip shortens a long text in its middle, since names differ at their ends.
func clip(s string) string {
	r := []rune(s)
	if len(r) <= maxLine {
		return s
	}
	return string(r[:maxLine/2]) + "…" + string(r[len(r)-maxLine/2+1:])
}

// escape makes a text fit for XML, which has no place for control characters either.
func escape(s string) string {
	return html.EscapeString(strings.Map(func(c rune) rune {
		if c < ' ' && c != '\n' || c == utf8.RuneError || c == 0xfffe || c == 0xffff {
			return -1
		}
		return c
	}, s))
}
