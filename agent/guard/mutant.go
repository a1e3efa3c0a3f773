//go:build mutant

package guard

import "os"

// mutated reports whether WAYSIDE_MUTANT names the rule. Binaries with this build tag exist only to show that the tests notice a
// broken rule: ignore-lease, ignore-min-off, ignore-interlock, ignore-newer.
func mutated(rule string) bool { return os.Getenv("WAYSIDE_MUTANT") == rule }
