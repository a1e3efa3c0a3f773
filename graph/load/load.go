package load

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"wayside/graph"
	"wayside/graph/onnx"
	_ "wayside/graph/ops" // the operators register themselves
	"wayside/graph/passes"
	"wayside/graph/tflite"
)

// Default limits of Options.
const (
	DefaultMaxFileBytes  = 1 << 30
	DefaultMaxArenaBytes = 2 << 30
)

// giveBack is the size of a file whose memory is worth a collection of garbage at once: some milliseconds. The collector would wait until the process has
// grown to twice its size, and a gateway is short of memory.
const giveBack = 1 << 20

// Options control what Bytes and File accept. The zero value is ready for use.
type Options struct {
	Shapes        map[string][]int // shape of an input with dynamic axes, by its name; axes that nobody binds become 1
	MaxFileBytes  int64            // larger files are refused; 0 means DefaultMaxFileBytes
	MaxArenaBytes int64            // models that need more working memory are refused; 0 means DefaultMaxArenaBytes
	Cache         *Cache           // keeps packed weights in files; nil for none
}

// File loads a model file. See Bytes.
func File(path string, o Options) (*graph.Plan, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	defer f.Close()
	limit := o.MaxFileBytes
	if limit == 0 {
		limit = DefaultMaxFileBytes
	}
	var b bytes.Buffer
	// The file may grow or be a device: the limit holds for what is read, not for what a directory says.
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() && st.Size() <= limit {
		b = *bytes.NewBuffer(make([]byte, 0, int(st.Size())+bytes.MinRead)) // Grow would clear it twice
	}
	if _, err := b.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return nil, fmt.Errorf("load: reading %s: %w", path, err)
	}
	size := b.Len()
	p, err := Bytes(b.Bytes(), path, o)
	if b = (bytes.Buffer{}); size >= giveBack {
		debug.FreeOSMemory() // nothing of the file is needed any more
	}
	return p, err
}

// Bytes loads a model from memory; name is used in messages. The format is told by content. The data may be changed or freed
// once Bytes has returned. Errors wrap graph.ErrFormat or graph.ErrDamaged, or are a *graph.UnsupportedError that lists
// every node that cannot run. Hostile data gives an error, never a panic, and memory and time in proportion to the
// data and the limits: loading allocates at most 48 times the data and 32 MiB, all in all (a test holds it). A panic would be a mistake of ours, which fuzzing looks for; where it has missed one, a node that runs other models and drives
// outputs must not go down with it, so it becomes an error without a kind.
func Bytes(data []byte, name string, o Options) (p *graph.Plan, err error) {
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, fmt.Errorf("load: %s: a mistake in this program (%v at %s); please report it with the model", name, r, where())
		}
	}()
	limit := o.MaxFileBytes
	if limit == 0 {
		limit = DefaultMaxFileBytes
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("load: %s: more than the limit of %d bytes", name, limit)
	}
	g, err := read(data)
	if err != nil {
		return nil, fmt.Errorf("load: %s: %w", name, err)
	}
	var panels *panelStore
	if o.Cache != nil {
		panels = o.Cache.open(data, o.Shapes)
		g.Panels = panels
	} else if len(data) >= onePiece {
		g.Panels = newPieces(len(data))
	}
	if p, err = plan(g, o); err != nil {
		return nil, fmt.Errorf("load: %s: %w", name, err)
	}
	if panels != nil {
		panels.save()
	}
	return p, nil
}

// where names the function of ours that has panicked.
func where() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, "wayside/") {
			return fmt.Sprintf("%s:%d", f.Function, f.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}

// read tells the format by content and parses.
func read(data []byte) (*graph.Graph, error) {
	switch {
	case len(data) == 0:
		return nil, fmt.Errorf("%w: the file is empty; copy it again", graph.ErrFormat)
	case tflite.Is(data):
		return tflite.Read(data)
	case onnx.Is(data):
		return onnx.Read(data)
	}
	return nil, fmt.Errorf("%w: neither TFLite (%s) nor ONNX (it does not start like a ModelProto); give a .tflite or .onnx file, whole and uncompressed", graph.ErrFormat, notTFLite(data))
}

func notTFLite(data []byte) string {
	if len(data) < 8 {
		return fmt.Sprintf("only %d bytes", len(data))
	}
	return fmt.Sprintf("byte 4 has %q instead of \"TFL3\"", data[4:8])
}

func plan(g *graph.Graph, o Options) (*graph.Plan, error) {
	if err := graph.Check(g); err != nil {
		return nil, err
	}
	if err := graph.Bind(g, o.Shapes); err != nil {
		return nil, err
	}
	if err := passes.ListWrites(g); err != nil {
		return nil, err
	}
	if err := passes.ShiftSign(g); err != nil {
		return nil, err
	}
	if err := graph.Build(g); err != nil {
		return nil, err
	}
	if err := passes.Run(g); err != nil {
		return nil, err
	}
	arena := o.MaxArenaBytes
	if arena == 0 {
		arena = DefaultMaxArenaBytes
	}
	return graph.NewPlan(g, arena)
}
