// Package hal is the contract between Wayside and everything that touches a wire: samples with
// a quality, sensors, outputs, buses, the clock, and the registries through which the drivers
// in the folders below it are found by name.
//
// Holds: interfaces, errors, qualities, the checks on values that every sensor shares, registries.
// Never holds: a chip, a protocol, a model, scheduling, logging, a goroutine.
// May import: the standard library and golang.org/x/sys; its subfolders also periph.
// Start reading at: Sensor, Quality, SensorDriver.
//
// A program gets the drivers by importing wayside/hal/sensors/all for its side effects, and then
// finds one by name:
//
//	d, ok := hal.FindSensor("modbus")
//	cfg := d.Config()            // a pointer to the driver's settings, defaults set
//	err := d.Validate(cfg)       // after the settings were decoded into it
//	s, err := d.Open(ctx, cfg, bus, hal.Env{Clock: hal.RealClock(), BaseDir: dir})
//	sample, err := s.Read(ctx)
package hal
