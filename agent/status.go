package agent

import (
	"context"
	"time"

	"wayside/agent/web"
)

// status is what page and API show.
func (w *worker) status() web.Status {
	w.mu.Lock()
	cfg, models := w.cfg, w.models
	w.mu.Unlock()
	st := web.Status{Site: cfg.Site.Name, Version: w.o.Version, T: w.clock.Now().UnixMilli(), Healthy: w.healthy(), Guardian: "missing",
		Models: []web.Model{}, Tasks: []web.Task{}, Lines: []web.Line{}, Totals: w.metrics.Totals()}
	for _, m := range cfg.Models {
		slot := models[m.Name]
		mod, state := slot.Model(), "confirmed"
		if slot.Probation() {
			state = "probation"
		}
		w.metrics.Model(mod.Name, mod.Version, mod.Digest, state)
		st.Models = append(st.Models, web.Model{Name: mod.Name, Version: mod.Version, Digest: mod.Digest, State: state, Detail: w.rec.lastRelease(mod.Name)})
	}
	for _, t := range cfg.Tasks {
		st.Tasks = append(st.Tasks, w.rec.taskView(t.Name))
	}
	g, ok := w.link.Status()
	if ok {
		st.Guardian = "connected"
		if g.Mode != "normal" {
			st.Guardian = g.Mode + ": " + g.Reason
		}
	}
	known := map[string]web.Line{}
	if ok {
		for _, o := range g.Outputs {
			l := web.Line{Name: o.Name, Value: o.Value.String(), Safe: o.Safe.String(), Reason: o.Reason, Task: o.Task, Fault: o.Fault, Ops: o.OpsHour}
			if !o.Known {
				l.Value = "unknown"
			}
			known[o.Name] = l
		}
	}
	for _, o := range cfg.Outputs {
		l, ok := known[o.Name]
		if !ok {
			l = web.Line{Name: o.Name, Value: "unknown", Safe: o.Safe.String(), Reason: "the guardian does not answer"}
		}
		st.Lines = append(st.Lines, l)
	}
	return st
}

// feedLines puts the outputs' states into the charts.
func (w *worker) feedLines(ctx context.Context) {
	t := time.NewTicker(web.Bucket)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		st := w.status()
		for _, l := range st.Lines {
			v := 0.0
			if l.Value == "on" {
				v = 1
			}
			w.board.Add(outputSeries(l.Name), time.UnixMilli(st.T), v, l.Value != "unknown", l.Value, l.Reason)
		}
	}
}
