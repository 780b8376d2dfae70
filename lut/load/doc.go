// Package load runs co-running loads: real processes that burn arithmetic or stream memory, so that a
// measurement or a demonstration shares the machine with something whose nature is known.
//
// No extra binary is needed: [Start] executes the running program again, and [Main], called first
// thing in main (and in TestMain), turns that second copy into the load:
//
//	func main() {
//		load.Main() // returns at once unless this process was started as a load
//		...
//	}
//
// A load dies with the program that started it: the kernel sees to it on Linux, and everywhere the load
// ends when the pipe that its parent holds is closed. It runs at normal priority and on any processor; it reads and writes no files.
//
// The package stops only what it started, by process id. It does not look for other programs, sets no
// priorities, affinities or clocks, and puts no load on a GPU.
package load
