package graph

import (
	"errors"
	"fmt"
	"strings"
)

// ErrFormat is wrapped when a file is neither of the formats that can be read.
var ErrFormat = errors.New("unknown model format")

// ErrUnsupported is wrapped when a file is whole but is built in a way that is not read, no matter which operators it has.
var ErrUnsupported = errors.New("unsupported construct")

// ErrDamaged is wrapped when a file has the right format but contradicts itself, is cut off or exceeds a limit.
var ErrDamaged = errors.New("damaged model")

// Error lists every node on a line of its own.
func (e *UnsupportedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "graph: %d unsupported node", len(e.Nodes))
	if len(e.Nodes) != 1 {
		b.WriteByte('s')
	}
	for _, n := range e.Nodes {
		b.WriteString("\n  ")
		b.WriteString(CleanText(n.Op))
		if n.Domain != "" {
			b.WriteString(" of domain " + CleanText(n.Domain))
		}
		fmt.Fprintf(&b, " version %d", n.Version)
		if n.DType != "" {
			b.WriteString(" on " + n.DType)
		}
		if n.Node != "" {
			fmt.Fprintf(&b, " (node %q)", n.Node)
		}
		b.WriteString(": " + n.Reason)
	}
	return b.String()
}
