package par

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// counter counts how often each chunk ran and whether a worker ever did two at once.
type counter struct {
	ran  []atomic.Int32
	busy []atomic.Bool
	bad  atomic.Int32
	work int
}

func (c *counter) Do(chunk, worker int) {
	if c.busy[worker].Swap(true) {
		c.bad.Add(1)
	}
	for range c.work {
		runtime.KeepAlive(c)
	}
	c.ran[chunk].Add(1)
	c.busy[worker].Store(false)
}

func newCounter(chunks, work int) *counter {
	return &counter{ran: make([]atomic.Int32, chunks), busy: make([]atomic.Bool, 64), work: work}
}

func TestEveryChunkOnce(t *testing.T) {
	defer Set(1)
	for _, n := range []int{1, 2, 3, 4} {
		old := runtime.GOMAXPROCS(max(n, runtime.GOMAXPROCS(0)))
		if got := Set(n); got != n || Workers() != n {
			t.Errorf("%d workers instead of %d", got, n)
		}
		for round := range 3000 {
			chunks := round % 23
			c := newCounter(chunks, round%200)
			Run(c, chunks)
			for i := range c.ran {
				if c.ran[i].Load() != 1 {
					t.Fatalf("%d workers, round %d: chunk %d ran %d times", n, round, i, c.ran[i].Load())
				}
			}
			if c.bad.Load() != 0 {
				t.Fatal("one worker did two chunks at once")
			}
			if round%500 == 0 {
				time.Sleep(3 * spinFor) // let them park
			}
		}
		runtime.GOMAXPROCS(old)
	}
}

func TestConcurrentCallers(t *testing.T) {
	Set(2)
	defer Set(1)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				c := newCounter(7, 50)
				// Callers that find the pool taken are all worker 0, each with a task of its own.
				Run(c, 7)
				for i := range c.ran {
					if c.ran[i].Load() != 1 {
						t.Errorf("chunk %d ran %d times", i, c.ran[i].Load())
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestRunDoesNotAllocate(t *testing.T) {
	Set(2)
	defer Set(1)
	c := newCounter(8, 10)
	if n := testing.AllocsPerRun(200, func() { Run(c, 8) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestWorkersEnd(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 20 {
		Set(2)
		Set(1)
	}
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), before)
}
