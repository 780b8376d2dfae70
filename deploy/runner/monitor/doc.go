// Package monitor watches the device beside a run: clocks, temperatures, load, pressure, power rails, memory. It raises the run's
// alarms when a sensor is lost or time jumps, drops levels from memory where memory is short, integrates rails to
// energy, and says when latencies have left what the table predicts.
//
// Everything is read through io/fs.FS with package host, so that tests show it devices that are not there. A reading that fails is an
// alarm or nothing, never an error: the run goes on. The package decides about no request and sets no clocks.
package monitor
