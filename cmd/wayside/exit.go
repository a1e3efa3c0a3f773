package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"wayside/graph"
)

// The exit codes of every verb. Scripts rely on them.
const (
	exitDone   = 0
	exitFailed = 1 // the work was understood and did not succeed
	exitInput  = 2 // wrong input or configuration: the user can mend it
	exitAbsent = 3 // hardware or network is not there
)

// exitError is an error that chooses the exit code.
type exitError struct {
	code   int
	err    error
	silent bool // the verb has already printed all there is to say
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// badInput marks err as the user's to mend: a wrong file, value or configuration. Exit code 2. nil stays nil.
func badInput(err error) error { return withCode(exitInput, err) }

// absent marks err as hardware or network that is not there. Exit code 3. nil stays nil.
func absent(err error) error { return withCode(exitAbsent, err) }

// reported ends a verb with code after it has printed its own account of what is wrong, as JSON or as text.
// Nothing more is printed.
func reported(code int) error {
	return &exitError{code: code, err: errors.New("already reported"), silent: true}
}

func withCode(code int, err error) error {
	if err == nil {
		return nil
	}
	return &exitError{code: code, err: err}
}

// exitCode returns the code that err asks for, or 1.
func exitCode(err error) int {
	var e *exitError
	if errors.As(err, &e) {
		return e.code
	}
	return exitFailed
}

// usageError turns an error of the command line itself into one that says where help is.
func usageError(cmd *cobra.Command, err error) error {
	return badInput(fmt.Errorf("%s\nsee %q", strings.TrimSpace(err.Error()), cmd.CommandPath()+" --help"))
}

// failure is what a failing verb prints on stdout with --json.
type failure struct {
	Error string `json:"error"`
	// Unsupported lists every node of a refused model; absent for other errors.
	Unsupported []graph.Unsupported `json:"unsupported,omitempty"`
}

// report prints err once, as text on stderr or, with --json, as one JSON value on stdout, and returns the exit code.
func report(cmd *cobra.Command, args []string, err error) int {
	var e *exitError
	if errors.As(err, &e) && e.silent {
		return e.code
	}
	if wantsJSON(args) {
		f := failure{Error: err.Error()}
		var u *graph.UnsupportedError
		if errors.As(err, &u) {
			f.Unsupported = u.Nodes
		}
		if werr := printJSON(cmd, f); werr != nil {
			cmd.PrintErrln("wayside: print the error as JSON:", werr)
		}
		return exitCode(err)
	}
	cmd.PrintErrln("wayside:", err)
	return exitCode(err)
}

// wantsJSON looks for --json in the raw arguments, since the command line may be what is wrong.
func wantsJSON(args []string) bool {
	if end := slices.Index(args, "--"); end >= 0 {
		args = args[:end]
	}
	for _, a := range args {
		if a == "--json" {
			return true
		}
		if v, ok := strings.CutPrefix(a, "--json="); ok {
			on, err := strconv.ParseBool(v)
			return err == nil && on
		}
	}
	return false
}

// printJSON prints v on stdout as one indented JSON value.
func printJSON(cmd *cobra.Command, v any) error {
	enc := json.NewEncoder(cmd.OutOrStdout())
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
