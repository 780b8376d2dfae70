package formats

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
)

// benchTitle is the first line of a table in the Go benchmark format.
const benchTitle = "# dynofa latency table, Go benchmark format 1"

// Parts of the format.
const (
	blockPrefix   = "BenchmarkBlock/r="
	networkPrefix = "BenchmarkNetwork/arch="
	rowPrefix     = "# row: "     // followed by a row of a CSV table
	samplesPrefix = "# samples: " // followed by how many of the next benchmarks are the row's samples
	unitLatency   = "ns/op"
	unitTail      = "p99-ns/op"
)

// operatingPointFields is how many of headerFields say what must be equal for two tables to be
// comparable. They are the configuration of a benchmark; benchstat puts results with different
// configurations into different tables unless told to -ignore a name.
const operatingPointFields = 15

// WriteGoBench writes a valid table in the Go benchmark format, with everything that is in it except
// its ID: space and operating point as configuration ("device: board"), then one line per entry in
// key order and per network, such as
//
//	BenchmarkBlock/r=160/op=mbconv/in=88x88x24/out=44x44x32/mid=72/k=5/s=2/act=relu/se=1/res=0 300 123456 ns/op 131072 p99-ns/op
//
// with the number of samples, the central value and, where known, the 99th percentile. An entry whose
// samples are known has a line for each of them instead, of one iteration, so that benchstat compares
// two tables by their samples. Lines that begin with '#', which other readers of the format pass over,
// hold the rest for ReadGoBench. It does not change t.
//
// A table without samples is one sample to benchstat, which needs six on either side for a test:
// write several tables one after another into one file. In either case benchstat sees what scatters
// within its files and nothing else, and corrects no test for their number; lut.Diff does.
//
// Source: "Go Benchmark Data Format", design document 14313 of the Go project, and package
// golang.org/x/perf/benchfmt.
func WriteGoBench(w io.Writer, t *lut.Table) error {
	if err := writeGoBench(w, t); err != nil {
		return fmt.Errorf("lut: export: %w", err)
	}
	return nil
}

func writeGoBench(w io.Writer, t *lut.Table) error {
	if err := t.Validate(); err != nil {
		return err
	}
	t = sortedTable(t)
	b := bufio.NewWriter(w)
	b.WriteString(benchTitle + "\n")
	for _, f := range headerFields[:operatingPointFields] {
		if v := f.get(t); v != "" {
			fmt.Fprintf(b, "%s: %s\n", f.name, configText(v))
		}
	}
	for _, f := range headerFields[operatingPointFields:] {
		if v := f.get(t); v != "" {
			fmt.Fprintf(b, "# %s: %s\n", f.name, v)
		}
	}
	writeLists(b, t)
	b.WriteString("\n")
	c := csv.NewWriter(b)
	row := func(name string, cells []string, l lut.Latency) error {
		b.WriteString(rowPrefix)
		err := c.Write(cells)
		c.Flush()
		if l.Samples != nil {
			fmt.Fprintf(b, "%s%d\n", samplesPrefix, l.N)
			for _, d := range l.Samples.Times {
				fmt.Fprintf(b, "%s 1 %d %s\n", name, d, unitLatency)
			}
			return err
		}
		fmt.Fprintf(b, "%s %d %s %s", name, l.N, benchNumber(float64(l.Central())), unitLatency)
		if p99 := float64(l.P99); !math.IsNaN(p99) {
			fmt.Fprintf(b, " %s %s", benchNumber(p99), unitTail)
		}
		b.WriteString("\n")
		return err
	}
	for _, e := range t.Entries {
		if err := row(benchName(e.Key), csvRow(kindBlock, strconv.Itoa(e.Key.Resolution), e.Key.Block.String(), e.Latency), e.Latency); err != nil {
			return err
		}
	}
	for _, n := range t.Networks {
		if _, err := supernet.ParseArch([]byte(n.Arch)); err != nil {
			return err
		}
		if strings.ContainsAny(n.Arch, " \t\r\n") {
			return fmt.Errorf("architecture %q has spaces", clip(n.Arch))
		}
		if err := row(networkPrefix+n.Arch, csvRow(kindNetwork, "", n.Arch, n.Latency), n.Latency); err != nil {
			return err
		}
	}
	return b.Flush()
}

// configText takes the quotes off a text that a line of configuration can hold without.
func configText(value string) string {
	var text string
	if unquote(value, &text) != nil || jsonText(text) != value || value[1:len(value)-1] != text ||
		text != strings.TrimSpace(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return value
	}
	return text
}

// benchNumber prints a number without an exponent where that is no longer than 21 digits.
func benchNumber(f float64) string {
	if text := strconv.FormatFloat(f, 'f', -1, 64); len(text) <= 21 {
		return text
	}
	return strconv.FormatFloat(f, 'g', -1, 64)
}

// benchName returns a benchmark's name for a key: the parts of the block's text form as
// sub-benchmarks, so that benchstat can project on them (-row /op -col /k).
func benchName(k lut.Key) string {
	op, rest, _ := strings.Cut(k.Block.String(), " ")
	return blockPrefix + strconv.Itoa(k.Resolution) + "/op=" + op + "/" + strings.ReplaceAll(rest, " ", "/")
}

// parseBenchName reads what benchName writes.
func parseBenchName(name []byte) (lut.Key, error) {
	var k lut.Key
	parts := bytes.SplitN(name[len(blockPrefix):], []byte("/"), 3)
	r, ok := parseCount(parts[0])
	if !ok || len(parts) != 3 || !bytes.HasPrefix(parts[1], []byte("op=")) {
		return k, fmt.Errorf("benchmark %q is none of a block", clip(string(name)))
	}
	text := append(bytes.Clone(parts[1][len("op="):]), ' ')
	text = append(text, bytes.ReplaceAll(parts[2], []byte("/"), []byte(" "))...)
	b, err := parseBlock(text)
	if err != nil {
		return k, err
	}
	return lut.Key{Resolution: r, Block: b}, nil
}
