package formats_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/formats"
)

// BenchmarkIngest imports a CSV table of a million entries, not in order, from a file. peak-MiB is
// the largest memory that the process held meanwhile, the runtime included; -benchtime 1x gives the
// figure of one import, more find the memory of the one before.
func BenchmarkIngest(b *testing.B) {
	const entries = 1000000
	name := filepath.Join(b.TempDir(), "million.csv")
	writeMillion(b, name, entries)
	debug.FreeOSMemory()
	resetPeak()
	for b.Loop() {
		tab, err := formats.Read(context.Background(), name, formats.CSV, formats.Meta{})
		if err != nil {
			b.Fatal(err)
		}
		if len(tab.Entries) != entries {
			b.Fatalf("%d entries", len(tab.Entries))
		}
	}
	if peak, ok := peakMemory(); ok {
		b.ReportMetric(peak, "peak-MiB")
	}
	b.ReportMetric(float64(entries*b.N)/b.Elapsed().Seconds(), "entries/s")
}

// writeMillion writes a table row by row, so that nothing of it stays in memory.
func writeMillion(b *testing.B, name string, entries int) {
	b.Helper()
	var head strings.Builder
	s := space(b)
	blocks, err := s.DistinctBlocks(160)
	if err != nil {
		b.Fatal(err)
	}
	small := &lut.Table{Space: s.Name, Point: lut.OperatingPoint{Device: "board", Processor: "cpu"}, Origin: lut.Imported, Source: "invented",
		Entries: []lut.Entry{{Key: lut.Key{Resolution: 160, Block: blocks[0]}, Latency: lut.MeanOnly(1, 1, 0)}}}
	if err := formats.WriteCSV(&head, small); err != nil {
		b.Fatal(err)
	}
	f, err := os.Create(name)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	fmt.Fprint(w, head.String()[:strings.Index(head.String(), "block,")])
	for i := range entries {
		size, in, mid, kernel := 1+i%97, 8*(1+i/97%16), 8*(1+i/1552%216), 3+2*(i/335232%3)
		block := supernet.Block{Op: supernet.OpMBConv, In: supernet.Shape{Size: size, Channels: in}, Out: supernet.Shape{Size: size, Channels: in + 8},
			Mid: mid, Kernel: kernel, Stride: 1, Act: supernet.HSwish, SE: i%2 == 0}
		v := 1e5 + float64(i)
		fmt.Fprintf(w, "block,%d,%v,300,%g,%g,%g,%g,%g,%g,%g,%g,3,A,[]\n", 128+4*(i%25), block, v, v*1.1, v*1.2, v*1.3, v*1.11, v/30, v*1.09, v*1.11)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
}

// resetPeak makes the system forget the largest memory so far. It works on Linux.
func resetPeak() {
	if runtime.GOOS == "linux" {
		os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
	}
}

// peakMemory returns the largest resident memory in MiB.
func peakMemory() (float64, bool) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, false
	}
	_, rest, ok := strings.Cut(string(text), "VmHWM:")
	fields := strings.Fields(rest)
	if !ok || len(fields) == 0 {
		return 0, false
	}
	kib, err := strconv.ParseFloat(fields[0], 64)
	return kib / 1024, err == nil
}
