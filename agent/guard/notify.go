package guard

import (
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notifyPatience is how long the end waits for a service manager that does not listen.
const notifyPatience = 100 * time.Millisecond

// notifier tells systemd how the guardian is, in a goroutine of its own: the write to its socket waits while systemd does not read, and
// nothing that waits may stand in the loop. What cannot be said in time is left out; systemd then acts on the silence.
type notifier struct {
	words chan string
	done  chan struct{}
}

func startNotifier() *notifier {
	n := &notifier{words: make(chan string, 4), done: make(chan struct{})}
	go func() {
		defer close(n.done)
		for w := range n.words {
			_, _ = daemon.SdNotify(false, w) // without systemd it does nothing; a failure has nobody to be told to
		}
	}()
	return n
}

func (n *notifier) say(word string) {
	select {
	case n.words <- word:
	default:
	}
}

func (n *notifier) end() {
	close(n.words)
	select {
	case <-n.done:
	case <-time.After(notifyPatience):
	}
}
