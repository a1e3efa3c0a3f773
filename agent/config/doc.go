// Package config is the one TOML file of a site: its types, the strict loader that reports every problem of a file at once
// with line, reason and remedy, and the difference between two files that a reload works from.
//
// Holds: configuration types, decoding, validation, Diff.
// Never holds: anything that opens a device, a socket or a model; defaults that only a part of the program knows.
// May import: hal (its registries, for driver settings) and BurntSushi/toml.
// Start reading at: Config, Load.
//
//	cfg, err := config.Load("site.toml")
//	var bad *config.Error
//	if errors.As(err, &bad) { for _, p := range bad.Problems { fmt.Println(p) } }
//
// Drivers are known by hal's registries: the program imports wayside/hal/sensors/all before it loads a file.
package config
