// Package csv replays one column of a table as a sensor.
//
// Holds: sensor driver "csv".
// Never holds: reading of CSV files (hal/table).
// May import: hal, hal/table.
// Start reading at: Config.
package csv
