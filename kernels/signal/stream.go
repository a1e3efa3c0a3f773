package signal

// OverlapAdd adds a frame to what the frames before it have left, writes the first len(dst) sums and keeps the rest, moved up, in state. state is as
// long as frame and at least as long as dst. int16 sums are cut to their range.
func OverlapAdd[T int16 | float32](dst, frame, state []T) {
	if len(state) != len(frame) || len(dst) > len(frame) {
		panic("signal: OverlapAdd: slice length mismatch")
	}
	var z T
	if _, ok := any(z).(int16); ok {
		for i, v := range frame {
			state[i] = T(min(max(int32(state[i])+int32(v), -1<<15), 1<<15-1))
		}
	} else {
		for i, v := range frame {
			state[i] += v
		}
	}
	copy(dst, state)
	n := copy(state, state[len(dst):])
	clear(state[n:])
}

// Delay writes the oldest samples of state followed by src, and leaves the newest len(state) samples in state. dst and src have the same length.
func Delay(dst, src, state []int16) {
	if len(dst) != len(src) {
		panic("signal: Delay: slice length mismatch")
	}
	n := copy(dst, state)
	if n < len(state) { // the delay is longer than the frame
		copy(state, state[n:])
		copy(state[len(state)-n:], src)
		return
	}
	m := copy(dst[n:], src)
	copy(state, src[m:])
}

// Queue is a first-in first-out buffer in memory of the caller: the first Len elements of Buf are in it, oldest first.
type Queue struct {
	Buf []int16
	Len int
}

// Push appends samples. It panics where they do not fit.
func (q *Queue) Push(src []int16) {
	if copy(q.Buf[q.Len:], src) != len(src) {
		panic("signal: Queue: full")
	}
	q.Len += len(src)
}

// Take copies the oldest len(dst) samples to dst and drops the oldest drop ones. It does nothing and returns false while there are fewer than len(dst).
func (q *Queue) Take(dst []int16, drop int) bool {
	if q.Len < len(dst) {
		return false
	}
	copy(dst, q.Buf)
	copy(q.Buf, q.Buf[drop:q.Len])
	q.Len -= drop
	return true
}
