package formats

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// OFAOptions says which file of an OFA or ProxylessNAS table to write.
type OFAOptions struct {
	Format     Format          // OFAJSON, OFAYAML or ProxylessYAML
	Space      *supernet.Space // the table's
	Resolution int             // one file holds one resolution
	Spread     Spread
}

// Spread is the measure of scatter in a file.
type Spread string

// The measures.
const (
	Std Spread = "" // standard deviation, ms
	Var Spread = "var"
)

// WriteOFA writes one resolution of a table in the form that Once-for-all, Dynamic-OFA or
// ProxylessNAS read, keys in order, one field per line as in the published files. Entries that serve
// every resolution serve this one too. The mean is the entry's mean, or its median where no mean is
// known; count and scatter are left out where they are not known, which those programs do not miss.
// A published file that was imported is written back line by line, but for last digits of numbers
// that mean the same time; what else a Latency holds has no place in these files.
//
// It returns an error for a table that is not valid or of another space, without a stem at the
// resolution, or with latencies above 1e9 ms, and for a space whose blocks have no keys in the
// format.
func WriteOFA(w io.Writer, t *lut.Table, o OFAOptions) error {
	if err := writeOFA(w, t, o); err != nil {
		return fmt.Errorf("lut: export: %w", err)
	}
	return nil
}

func writeOFA(w io.Writer, t *lut.Table, o OFAOptions) error {
	if err := t.Validate(); err != nil {
		return err
	}
	if o.Space == nil || o.Space.Name != t.Space {
		return fmt.Errorf("the table is for space %q, which must be given", t.Space)
	}
	if o.Spread != Std && o.Spread != Var {
		return fmt.Errorf("unknown measure of scatter %q", o.Spread)
	}
	keys := ofaKeys
	switch o.Format {
	case OFAJSON, OFAYAML:
	case ProxylessYAML:
		keys = proxylessKeys
	default:
		return fmt.Errorf("%q is no format of one file per resolution", o.Format)
	}
	names, err := keys(o.Space, o.Resolution)
	if err != nil {
		return err
	}
	records, err := ofaRecords(t, names, o.Resolution)
	if err != nil {
		return err
	}
	b := bufio.NewWriter(w)
	if o.Format == OFAJSON {
		writeJSONRecords(b, records, o.Spread)
	} else {
		writeYAMLRecords(b, records, o.Spread)
	}
	return b.Flush()
}

// ofaRecords returns a table's records at a resolution, by key.
func ofaRecords(t *lut.Table, names *keyTable, r int) ([]ofaRecord, error) {
	entries := map[supernet.Block]lut.Latency{}
	own := map[supernet.Block]bool{}
	for _, e := range t.Entries {
		if e.Key.Resolution == r || e.Key.Resolution == 0 && !own[e.Key.Block] {
			entries[e.Key.Block] = e.Latency
			own[e.Key.Block] = e.Key.Resolution == r
		}
	}
	var records []ofaRecord
	stem := false
	for _, name := range names.order {
		rec := ofaRecord{Key: name, Std: math.NaN()}
		complete := true
		variance := 0.0
		for i, b := range names.blocks[name] {
			l, ok := entries[b]
			complete = complete && ok
			mean := l.Mean
			if math.IsNaN(float64(mean)) {
				mean = l.P50
			}
			rec.Mean += milliseconds(mean)
			std := milliseconds(l.Std)
			variance += std * std
			if i == 0 {
				rec.Count, rec.Std = l.N, std
			} else {
				rec.Count, rec.Std = min(rec.Count, l.N), math.Sqrt(variance)
			}
			stem = stem || ok && b.Op == supernet.OpStem
		}
		if rec.Mean > maxMillis || rec.Std > maxMillis || rec.Count > maxSamples {
			return nil, fmt.Errorf("%s: %g ms, standard deviation %g ms, from %d samples is beyond what the format holds", name, rec.Mean, rec.Std, rec.Count)
		}
		if complete {
			records = append(records, rec)
		}
	}
	if !stem {
		return nil, fmt.Errorf("the table has no stem at resolution %d", r)
	}
	slices.SortFunc(records, func(a, b ofaRecord) int { return strings.Compare(a.Key, b.Key) })
	return records, nil
}

// milliseconds returns the number of milliseconds that unit.Milliseconds turns into n, the one with
// the shortest decimal form of several, or the nearest where there is none.
func milliseconds(n unit.Nanoseconds) float64 {
	ms := n.Milliseconds()
	best, shortest := ms, 1000
	for _, candidate := range []float64{ms, math.Nextafter(ms, math.Inf(-1)), math.Nextafter(ms, math.Inf(1))} {
		if digits := len(strconv.FormatFloat(candidate, 'g', -1, 64)); unit.Milliseconds(candidate) == n && digits < shortest {
			best, shortest = candidate, digits
		}
	}
	return best
}

// fields returns the names and texts of a record's known fields.
func (r *ofaRecord) fields(s Spread) (fields [][2]string) {
	if r.Count > 0 {
		fields = append(fields, [2]string{"count", strconv.Itoa(r.Count)})
	}
	fields = append(fields, [2]string{"mean", float(r.Mean)})
	switch {
	case math.IsNaN(r.Std):
	case s == Var:
		fields = append(fields, [2]string{"var", float(r.Std * r.Std)})
	default:
		fields = append(fields, [2]string{"std", float(r.Std)})
	}
	return fields
}

// float prints a number as the published files have it: the shortest that reads back, with a point.
func float(f float64) string {
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if mantissa, exponent, ok := strings.Cut(text, "e"); ok && !strings.Contains(mantissa, ".") {
		return mantissa + ".0e" + exponent
	} else if !ok && !strings.Contains(text, ".") {
		return text + ".0"
	}
	return text
}

func writeJSONRecords(b *bufio.Writer, records []ofaRecord, s Spread) {
	b.WriteString("{\n")
	for i, r := range records {
		fmt.Fprintf(b, " %q: {\n", r.Key)
		fields := r.fields(s)
		for j, f := range fields {
			fmt.Fprintf(b, "  %q: %s%s\n", f[0], f[1], separator(j, len(fields)))
		}
		fmt.Fprintf(b, " }%s\n", separator(i, len(records)))
	}
	b.WriteString("}\n")
}

func separator(i, n int) string {
	if i < n-1 {
		return ","
	}
	return ""
}

func writeYAMLRecords(b *bufio.Writer, records []ofaRecord, s Spread) {
	for _, r := range records {
		fmt.Fprintf(b, "%s:\n", r.Key)
		for _, f := range r.fields(s) {
			fmt.Fprintf(b, "  %s: %s\n", f[0], f[1])
		}
	}
}
