package par

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Task is work in chunks that may run in any order and at the same time. Do computes one chunk; worker is below Workers and belongs to one
// chunk at a time, for scratch memory.
type Task interface{ Do(chunk, worker int) }

// MaxChunks bounds the chunks of one Run.
const MaxChunks = 1<<16 - 1

// spinFor is how long a worker looks for new work before it parks: layers of one inference follow each other within that time, also where one that is
// not shared lies between them, and waking a parked thread costs the caller more than it saves.
const spinFor = 200 * time.Microsecond

// pool is the workers beside the caller. The generation, which workers look at while they wait, has a cache line of its own: who writes beside it would
// wait for them.
type pool struct {
	owned      atomic.Bool // a Run is going on
	_          [63]byte
	closed     atomic.Bool
	task       Task // of the current generation; unchanged until all of its chunks are done
	parts      []part
	parked     []atomic.Bool
	wake       []chan struct{}
	_          [64]byte
	generation atomic.Uint32
	_          [60]byte
}

// part is the chunks that one worker begins with; workers that have done their own take others' from the end. A worker so computes mostly the same part
// of every layer, whose inputs it wrote itself and finds in its cache. The word holds generation, next chunk and end (32, 16 and 16 bits), so that
// one compare-and-swap claims a chunk of a certain generation.
type part struct {
	word   atomic.Uint64
	done   atomic.Int32 // of its chunks, whoever did them
	chunks int32        // for the caller alone
	_      [48]byte     // a cache line for each
}

var (
	current atomic.Pointer[pool]
	setting sync.Mutex
)

// Set makes n threads share the work from now on, the caller's among them: 1 runs everything in the caller. It must not be called while
// a Run is going on. n is bounded by GOMAXPROCS, which follows the cgroup's share; the number that holds is returned.
func Set(n int) int {
	setting.Lock()
	defer setting.Unlock()
	n = max(1, min(n, runtime.GOMAXPROCS(0)))
	if old := current.Load(); old != nil {
		old.closed.Store(true)
		old.wakeAll()
	}
	if n == 1 {
		current.Store(nil)
		return 1
	}
	p := &pool{parts: make([]part, n), parked: make([]atomic.Bool, n-1), wake: make([]chan struct{}, n-1)}
	for i := range p.wake {
		p.wake[i] = make(chan struct{}, 1)
		go p.work(i)
	}
	current.Store(p)
	return n
}

// Workers returns how many threads share the work.
func Workers() int {
	if p := current.Load(); p != nil {
		return len(p.wake) + 1
	}
	return 1
}

// least is the work that is shared, in nanoseconds of one thread: below that sharing costs more than it saves, in what threads wait for each other and in
// what one's cache must bring from the other's.
var least int64 = 2_000

// SetLeast changes from which work on it is shared, in nanoseconds, and returns what held before: 0 shares all that can be. It is for tests, before
// something is planned.
func SetLeast(nanos int64) (before int64) {
	before, least = least, nanos
	return before
}

// Worth reports whether some work of so many nanoseconds is worth sharing, however many threads there are.
func Worth(nanos int64) bool { return nanos >= least }

// For returns for how many workers some work of so many nanoseconds is planned: 1 where it is too little to be shared.
func For(nanos int64) int {
	if !Worth(nanos) {
		return 1
	}
	return Workers()
}

// Pieces returns into how many pieces workers best divide some work of so many nanoseconds: enough that none waits long for the last, none too small to
// be worth its start.
func Pieces(workers int, nanos int64) int {
	return workers * int(max(1, min(4, nanos/int64(workers)/max(least, 1))))
}

// Run calls t.Do for every chunk and returns when all are done. It does not allocate. Where another Run is going on, the caller does it alone.
func Run(t Task, chunks int) {
	p := current.Load()
	if p == nil || chunks < 2 || chunks > MaxChunks || !p.owned.CompareAndSwap(false, true) {
		for i := range chunks {
			t.Do(i, 0)
		}
		return
	}
	p.task = t
	gen := p.generation.Load() + 1
	for i := range p.parts {
		from, to := i*chunks/len(p.parts), (i+1)*chunks/len(p.parts)
		part := &p.parts[i]
		part.chunks = int32(to - from)
		part.done.Store(0)
		part.word.Store(uint64(gen)<<32 | uint64(from)<<16 | uint64(to))
	}
	p.generation.Store(gen)
	p.wakeAll()
	p.claim(gen, 0)
	for i := range p.parts {
		part := &p.parts[i]
		for spin := 0; part.done.Load() != part.chunks; spin++ {
			if spin > 1<<12 { // a worker has lost its core in the middle of a chunk
				runtime.Gosched()
			}
		}
	}
	p.task = nil
	p.owned.Store(false)
}

// RunPlanned is Run for work that has memory for so many workers: where more threads share the work now, the caller does it alone.
func RunPlanned(t Task, chunks, workers int) {
	if Workers() <= workers {
		Run(t, chunks)
		return
	}
	for i := range chunks {
		t.Do(i, 0)
	}
}

// claim takes chunks of generation gen until none is left.
func (p *pool) claim(gen uint32, worker int) {
	for i := range p.parts {
		part := &p.parts[(worker+i)%len(p.parts)]
		for {
			w := part.word.Load()
			next, end := w>>16&0xffff, w&0xffff
			if uint32(w>>32) != gen || next == end {
				break
			}
			chunk, rest := next, w+1<<16
			if i > 0 {
				chunk, rest = end-1, w-1
			}
			if part.word.CompareAndSwap(w, rest) {
				p.task.Do(int(chunk), worker)
				part.done.Add(1)
			}
		}
	}
}

func (p *pool) wakeAll() {
	for i := range p.wake {
		if p.parked[i].CompareAndSwap(true, false) {
			p.wake[i] <- struct{}{}
		}
	}
}

// work is worker i: it claims chunks of every new generation, spins for a while, and parks.
func (p *pool) work(i int) {
	seen := uint32(0)
	for !p.closed.Load() {
		idle := time.Now()
		for n := 0; ; n++ {
			if gen := p.generation.Load(); gen != seen {
				seen = gen
				p.claim(gen, i+1)
				idle, n = time.Now(), 0
			}
			if n&255 == 255 && (p.closed.Load() || time.Since(idle) > spinFor) {
				break
			}
		}
		p.parked[i].Store(true)
		// What was published before the flag was up has woken nobody.
		if p.generation.Load() != seen || p.closed.Load() {
			if p.parked[i].CompareAndSwap(true, false) {
				continue
			}
		}
		<-p.wake[i]
	}
}
