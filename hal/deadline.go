package hal

import (
	"context"
	"time"
)

// Deadline makes reads and writes on a connection end when ctx does, by its deadline or by being cancelled. Call done after the
// exchange: until then, and not later, ctx can reach the connection.
//
//	done, err := hal.Deadline(ctx, conn)
//	if err != nil { return err }
//	defer done()
func Deadline(ctx context.Context, conn interface{ SetDeadline(time.Time) error }) (done func(), err error) {
	at, _ := ctx.Deadline() // without one the zero time: no limit
	if err := conn.SetDeadline(at); err != nil {
		return nil, err
	}
	fired := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = conn.SetDeadline(time.Unix(1, 0)) // a connection that refuses this is closed already
		close(fired)
	})
	return func() {
		if !stop() {
			<-fired // else it could cut short the next exchange
		}
	}, nil
}
