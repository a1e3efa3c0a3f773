package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"wayside/hal"
	"wayside/hal/sim/modbusslave"
)

func newSimulateCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "stand in for hardware: a GPIO chip, a Modbus device",
		Long: `Simulated devices, each a process of its own, so that a configuration runs unchanged without hardware and with faults on demand.
They run until SIGTERM or Ctrl-C.`,
		Example: `  wayside simulate gpio --socket gpio.sock --record gpio.jsonl --lines 8
  wayside simulate modbus --table speed.csv --map "value=0,uint16,0.1" --control modbus.ctl
  wayside simulate control modbus.ctl silent`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newSimulateGPIOCmd(), newSimulateLinesCmd(), newSimulateDriveCmd(), newSimulateModbusCmd(), newSimulateControlCmd())
	return cmd
}

func newSimulateControlCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "control SOCKET COMMAND...",
		Short: "make a simulated Modbus device fail, or heal it",
		Long:  "Send a command to the control socket of `wayside simulate modbus`:\n\n  " + strings.ReplaceAll(modbusslave.FaultHelp, " | ", "\n  "),
		Example: `  wayside simulate control modbus.ctl dead
  wayside simulate control modbus.ctl slow 400
  wayside simulate control modbus.ctl exception 4
  wayside simulate control modbus.ctl ok`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return deviceError(modbusslave.Control(cmd.Context(), args[0], strings.Join(args[1:], " ")))
		},
	}
}

// deviceError gives errors of the hardware layer their exit code.
func deviceError(err error) error {
	switch {
	case errors.Is(err, hal.ErrInput):
		return badInput(err)
	case errors.Is(err, hal.ErrNoDevice), errors.Is(err, hal.ErrBusy), errors.Is(err, hal.ErrTimeout):
		return absent(err)
	}
	return err
}

// announce tells that a simulated device is ready: text or JSON on stdout, and the ready file, which appears whole.
func announce(cmd *cobra.Command, asJSON bool, v any, text, readyFile, ready string) error {
	if readyFile != "" {
		part := readyFile + ".part"
		if err := os.WriteFile(part, []byte(ready+"\n"), 0o644); err != nil {
			return badInput(fmt.Errorf("simulate: ready file: %w", err))
		}
		if err := os.Rename(part, readyFile); err != nil {
			return badInput(fmt.Errorf("simulate: ready file: %w", err))
		}
	}
	if asJSON {
		return printJSON(cmd, v)
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), text)
	return err
}
