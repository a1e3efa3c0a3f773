package agent

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"wayside/agent/config"
)

// askReload is reload for other goroutines.
func (w *worker) askReload(ctx context.Context) error {
	reply := make(chan error, 1)
	select {
	case w.reloads <- reloadRequest{"asked on the page's address", reply}:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// reload reads the configuration again and changes to it without stopping what stays the same. On any error the old one goes on
// unchanged; the error says why.
func (w *worker) reload(ctx context.Context, why string) error {
	ch, err := w.tryReload(ctx)
	w.metrics.Reloaded(err == nil)
	if err != nil {
		w.rec.write(KindReload, ReloadRecord{Error: err.Error()})
		w.rec.event("config", "bad", "Configuration not changed: "+err.Error())
		w.log.Error("configuration not changed", "why", why, "err", err)
		return err
	}
	w.rec.write(KindReload, ReloadRecord{OK: true, Changes: ch})
	w.rec.event("config", "good", "Configuration read again ("+why+")")
	w.log.Info("configuration read again", "why", why)
	return nil
}

func (w *worker) tryReload(ctx context.Context) (*config.Changes, error) {
	cfg, err := config.Load(w.path)
	if err != nil {
		return nil, err
	}
	ch := config.Diff(w.cfg, cfg)
	if ch.Empty() {
		return &ch, nil
	}
	if err := w.fixed(cfg); err != nil {
		return nil, err
	}
	// The manager writes the store, which building reads: it pauses, whatever becomes of the reload.
	if w.manager != nil {
		w.manager.stop()
	}
	next, err := w.build(cfg, &ch)
	if err != nil {
		w.resume()
		return nil, err
	}
	if guardCares(&ch) {
		if err := w.link.reload(ctx); err != nil {
			for name, t := range next.tasks {
				if w.tasks[name] != t {
					t.task.Close()
				}
			}
			w.resume()
			return nil, fmt.Errorf("agent: the guardian keeps its configuration: %w", err)
		}
	}
	w.commit(cfg, next)
	return &ch, nil
}

// fixed refuses changes of what the process is built on.
func (w *worker) fixed(cfg *config.Config) error {
	var errs []error
	for _, f := range []struct {
		key      string
		old, new string
	}{
		{"site.threads", strconv.Itoa(w.cfg.Site.Threads), strconv.Itoa(cfg.Site.Threads)},
		{"site.cache", w.cfg.Site.Cache, cfg.Site.Cache},
		{"site.state_dir", w.cfg.StateDir(), cfg.StateDir()},
		{"guard.socket", w.cfg.SocketPath(), cfg.SocketPath()},
		{"agent.listen", w.cfg.Agent.Listen, cfg.Agent.Listen},
	} {
		if f.old != f.new {
			errs = append(errs, fmt.Errorf("%s: %s changed from %q to %q: stop and start the worker for that", cfg.File, f.key, f.old, f.new))
		}
	}
	return errors.Join(errs...)
}

// guardCares reports whether the guardian reads anything that changed.
func guardCares(ch *config.Changes) bool {
	return ch.Guard || !ch.Outputs.Empty() || !ch.Interlocks.Empty() || !ch.Tasks.Empty() || !ch.Sensors.Empty() || !ch.Buses.Empty()
}

func (w *worker) resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runMissing()
}

// commit cannot fail: it stops what goes, starts what comes and leaves the rest running. A task's lease bridges its change.
func (w *worker) commit(cfg *config.Config, next *parts) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old := w.parts
	for name, t := range old.tasks {
		if next.tasks[name] != t {
			t.stop()
			t.task.Close()
		}
	}
	for name, s := range old.sensors {
		if next.sensors[name] != s {
			s.stop()
		}
	}
	w.cfg, w.parts = cfg, *next
	w.declare()
	w.subscribe()
	for name, t := range old.tasks {
		if n := next.tasks[name]; n != nil && n != t {
			n.task.Inherit(t.task)
		}
	}
	w.runMissing()
	for name, b := range old.buses {
		if next.buses[name] != b {
			if err := b.close(); err != nil {
				w.log.Warn("closing bus", "bus", name, "err", err)
			}
		}
	}
}
