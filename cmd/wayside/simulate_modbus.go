package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"wayside/hal"
	"wayside/hal/sim/modbusslave"
	"wayside/hal/sim/socket"
	"wayside/hal/table"
)

func newSimulateModbusCmd() *cobra.Command {
	var (
		listen, file, control, rdy string
		specs                      []string
		replay                     modbusslave.Replay
		asJSON                     bool
	)
	cmd := &cobra.Command{
		Use:   "modbus --table FILE.csv",
		Short: "a simulated Modbus TCP device that replays a table and fails on demand",
		Long: `A Modbus TCP device whose registers follow a CSV table: row = whole steps since the start. Holding and input registers (functions 3
and 4) are the same, and so are coils and discrete inputs (1 and 2); every unit id answers. Without --map each numeric column is a float32 in two
registers, in the table's order from register 0. An empty cell, and everything after the last row without --loop, answers with exception 4.`,
		Example: `  wayside simulate modbus --listen 127.0.0.1:1502 --table speed.csv --step 100ms --loop
  wayside simulate modbus --table speed.csv --map "value=0,uint16,0.1" --control modbus.ctl --ready-file address`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return badInput(errors.New("simulate modbus: --table is needed, see --help"))
			}
			wrap := func(err error) error { return deviceError(fmt.Errorf("simulate modbus: %w", err)) }
			t, err := table.File(file)
			if err != nil {
				return wrap(err)
			}
			maps := modbusslave.DefaultMappings(t)
			if len(specs) > 0 {
				maps = nil
			}
			for _, s := range specs {
				m, err := modbusslave.ParseMapping(s)
				if err != nil {
					return wrap(err)
				}
				maps = append(maps, m)
			}
			clock := hal.RealClock()
			store, err := modbusslave.NewTable(t, maps, replay, clock)
			if err != nil {
				return wrap(err)
			}
			slave, err := modbusslave.Listen(listen, store, clock)
			if err != nil {
				return wrap(err)
			}
			defer func() { _ = slave.Close() }() // only listeners
			ctx, end := context.WithCancel(cmd.Context())
			defer end()
			done := make(chan error, 1)
			if control != "" {
				l, err := socket.Listen(control)
				if err != nil {
					return wrap(err)
				}
				// A control socket that fails ends the device too: a fault that cannot be healed is no simulation.
				go func() {
					done <- slave.ServeControl(ctx, l)
					end()
				}()
			} else {
				done <- nil
			}
			ready := map[string]any{"address": slave.Addr(), "table": file, "rows": len(t.Lines), "control": control}
			text := fmt.Sprintf("modbus device on %s: %d rows of %s, %s each", slave.Addr(), len(t.Lines), file, replay.Step)
			for _, m := range maps {
				text += fmt.Sprintf("\n  %s: %s at %d, scale %g", m.Column, m.Type, m.Address, m.Scale)
			}
			if err := announce(cmd, asJSON, ready, text, rdy, slave.Addr()); err != nil {
				return err
			}
			<-ctx.Done()
			return <-done
		},
	}
	f := cmd.Flags()
	f.StringVar(&listen, "listen", "127.0.0.1:0", "address and port; port 0 takes a free one")
	f.StringVar(&file, "table", "", "CSV table with a header line (needed)")
	f.DurationVar(&replay.Step, "step", 100*time.Millisecond, "time of one row")
	f.IntVar(&replay.Start, "start", 0, "first row, from 0")
	f.BoolVar(&replay.Loop, "loop", false, "begin again after the last row")
	f.StringArrayVar(&specs, "map", nil, `column=address,type,scale; types are bit, uint16, int16, uint32, int32, float32 (repeatable)`)
	f.StringVar(&control, "control", "", "Unix socket for faults, see wayside simulate control")
	f.StringVar(&rdy, "ready-file", "", "file that appears when the device is ready; it holds the address")
	f.BoolVar(&asJSON, "json", false, "print one JSON value when the device is ready")
	return cmd
}
