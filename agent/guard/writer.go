package guard

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"wayside/agent/journal"
	"wayside/hal"
)

// maxQueue bounds what waits for a disk that does not answer. Changes of outputs cannot pile up there, since leaving the safe state needs the
// disk; refusals and the worker's comings and goings are left out beyond it.
const maxQueue = 1024

// lazySync is how long a record that nobody waits for may stay in the page cache.
const lazySync = time.Second

// writer appends the core's records and tells when they are on the disk. It has two goroutines, so that a slow sync holds up no append:
// an append alone survives the death of the process.
type writer struct {
	j     *journal.Journal
	clock hal.Clock
	post  func(change uint64, err error) // of a durable record; called from the writer's goroutines

	mirror *history // what the records say so far; the append goroutine's

	mu     sync.Mutex
	queue  []Action
	closed bool
	status RecordStatus

	wake  chan struct{}
	syncs chan syncJob
	wg    sync.WaitGroup
}

type syncJob struct {
	change uint64 // 0: nobody waits for it
	seq    uint64
}

// openWriter opens the ring in dir and gives what its records say. notes are readable but strange records and damaged places: they must
// not keep the lines unowned, so they are no error.
func openWriter(dir string, size int64, clock hal.Clock, post func(uint64, error)) (w *writer, h *history, notes []string, err error) {
	w = &writer{clock: clock, post: post, mirror: newHistory(), wake: make(chan struct{}, 1), syncs: make(chan syncJob, 64)}
	w.j, err = journal.Open(dir, journal.Options{MaxBytes: size, Segments: 4, Ring: true, Clock: clock,
		Head: func() (string, any) { return KindState, w.mirror }})
	if err != nil {
		return nil, nil, nil, err
	}
	_, err = journal.Read(dir, func(r journal.Record) error {
		if err := w.mirror.read(r); err != nil {
			notes = append(notes, err.Error())
		}
		return nil
	})
	if err != nil {
		return nil, nil, nil, errors.Join(err, w.j.Close())
	}
	for _, d := range w.j.Damage() {
		notes = append(notes, "guard: record damaged: "+d.String())
		if !d.Torn {
			w.status.Corruptions++
		}
	}
	w.mirror.boot(w.j.BootID())
	if h, err = w.mirror.clone(); err != nil {
		return nil, nil, nil, errors.Join(err, w.j.Close())
	}
	w.status.LastSeq, w.status.DurableSeq = w.j.Seq(), w.j.Seq()
	w.wg.Add(2)
	go w.append()
	go w.sync()
	return w, h, notes, nil
}

// clone is a deep copy: the core and the writer change theirs at their own times.
func (h *history) clone() (*history, error) {
	b, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("guard: copy of the record's state: %w", err)
	}
	c := newHistory()
	return c, json.Unmarshal(b, c)
}

// put queues a record; it never waits.
func (w *writer) put(a Action) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.queue) >= maxQueue && (a.Record == KindRefuse || a.Record == KindWorker) {
		w.status.Errors++
		w.status.LastError = "a record of kind " + a.Record + " was left out: the disk does not keep up"
		return
	}
	w.queue = append(w.queue, a)
	select {
	case w.wake <- struct{}{}:
	default: // it has been woken already
	}
}

// append writes what is queued, in order.
func (w *writer) append() {
	defer w.wg.Done()
	defer close(w.syncs)
	for {
		w.mu.Lock()
		batch, closed := w.queue, w.closed
		w.queue = nil
		w.mu.Unlock()
		if len(batch) == 0 {
			if closed {
				return
			}
			<-w.wake
			continue
		}
		for i := range batch {
			w.write(&batch[i])
		}
	}
}

func (w *writer) write(a *Action) {
	seq, err := w.j.Append(a.Record, &a.Entry)
	w.mu.Lock()
	if err != nil {
		w.status.Errors++
		w.status.LastError = err.Error()
	} else {
		w.status.LastSeq = seq
	}
	w.mu.Unlock()
	if err != nil {
		if a.Durable {
			w.post(a.Change, err)
		}
		return
	}
	w.mirror.apply(a.Record, &a.Entry, w.clock.Boot())
	job := syncJob{seq: seq}
	if a.Durable {
		job.change = a.Change
		w.syncs <- job // a full queue means a slow disk: then nothing but intents, which wait for it anyway, is held up
		return
	}
	select {
	case w.syncs <- job:
	default: // the sync in progress or the one after it will cover it
	}
}

// sync brings records to the disk: at once when somebody waits, else within lazySync.
func (w *writer) sync() {
	defer w.wg.Done()
	var lazy <-chan time.Time
	for {
		select {
		case job, ok := <-w.syncs:
			if !ok {
				return // Close syncs the rest
			}
			if job.change == 0 {
				if lazy == nil {
					lazy = w.clock.After(lazySync)
				}
				continue
			}
			jobs := []syncJob{job}
			for more := true; more; { // one sync serves all that wait
				select {
				case j, ok := <-w.syncs:
					if more = ok; ok {
						jobs = append(jobs, j)
					}
				default:
					more = false
				}
			}
			err := w.syncOnce(jobs[len(jobs)-1].seq)
			for _, j := range jobs {
				if j.change != 0 {
					w.post(j.change, err)
				}
			}
			lazy = nil
		case <-lazy:
			lazy = nil
			_ = w.syncOnce(w.j.Seq()) // an error is kept in the status; nobody waits for it
		}
	}
}

func (w *writer) syncOnce(seq uint64) error {
	begin := w.clock.Boot()
	err := w.j.Sync()
	took := int64(w.clock.Boot() - begin)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.status.SlowestNS = max(w.status.SlowestNS, took)
	if err != nil {
		w.status.Errors++
		w.status.LastError = err.Error()
		return err
	}
	w.status.DurableSeq = max(w.status.DurableSeq, seq)
	return nil
}

// Status is the record's state.
func (w *writer) Status() RecordStatus {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.status
}

// Close writes and syncs what is queued and ends both goroutines.
func (w *writer) Close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	w.wg.Wait()
	return w.j.Close()
}
