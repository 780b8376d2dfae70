package traffic

import (
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ReadAzure2021 reads the Azure Functions invocation trace of 2021, columns app, func, end_timestamp and
// duration (seconds) in any order: each line is an arrival at end_timestamp - duration, of the class that app
// names. Invocations that began before the trace are counted as skipped. Errors are of type [*Error].
//
// Source: Y. Zhang et al., "Faster and cheaper serverless computing on harvested resources", SOSP 2021; data
// github.com/Azure/AzurePublicDataset, AzureFunctionsInvocationTrace2021.md (CC-BY).
func ReadAzure2021(name string, r io.Reader, class string) (*Recorded, error) {
	l := newLines(name, r)
	columns, err := l.header()
	if err != nil {
		return nil, err
	}
	var at [4]int
	for i, c := range []string{"app", "func", "end_timestamp", "duration"} {
		if at[i], err = l.column(columns, c); err != nil {
			return nil, err
		}
	}
	t := &Recorded{Origin: Origin{File: name, Format: FormatAzure2021, Class: class}}
	for {
		fields, err := l.row(len(columns))
		if err != nil || fields == nil {
			return sorted(t, l, err)
		}
		app := fields[at[0]]
		if app == "" || len(app) > maxLine/5 {
			return nil, l.fail("app", "is empty or longer than %d bytes", maxLine/5)
		}
		end, err := l.seconds(fields[at[2]], "end_timestamp")
		if err != nil {
			return nil, err
		}
		took, err := l.seconds(fields[at[3]], "duration")
		if err != nil {
			return nil, err
		}
		start := math.Round((end - took) * 1e9)
		if start < 0 {
			t.Skipped++
			continue
		}
		if err := l.add(t, Row{At: time.Duration(start), Label: Label{Class: app}}); err != nil {
			return nil, err
		}
	}
}

// seconds reads a number that is not negative and below MaxDuration.
func (l *lines) seconds(text, column string) (float64, error) {
	f, err := decimal(text)
	if limit := MaxDuration.Seconds(); err != nil || !(f >= 0 && f <= limit) {
		return 0, l.fail(column, "%q is no number of seconds in [0, %g]", clip(text), limit)
	}
	return f, nil
}

// ReadAzure2019 reads a day of the Azure Functions trace of 2019, columns HashOwner, HashApp, HashFunction,
// Trigger and then one per minute, named 1, 2, 3 and so on: the invocations of a function in each minute. They are
// added up over functions, or those of the function that class names. Errors are of type [*Error].
//
// Source: M. Shahrad et al., "Serverless in the wild", USENIX ATC 2020; data
// github.com/Azure/AzurePublicDataset, AzureFunctionsDataset2019.md (CC-BY).
func ReadAzure2019(name string, r io.Reader, class string) (*Counted, error) {
	l := newLines(name, r)
	columns, err := l.header()
	if err != nil {
		return nil, err
	}
	function, err := l.column(columns, "HashFunction")
	if err != nil {
		return nil, err
	}
	first := slices.Index(columns, "1")
	if first < 0 {
		return nil, l.fail("1", "the first line does not name this column: the first minute")
	}
	for i, c := range columns[first:] {
		if c != strconv.Itoa(i+1) {
			return nil, l.fail(clip(c), "want minute %d", i+1)
		}
	}
	t := &Counted{Origin: Origin{File: name, Format: FormatAzure2019, Class: class}, Bin: time.Minute}
	t.Counts = make([]int64, len(columns)-first)
	found := false
	for {
		fields, err := l.row(len(columns))
		if err != nil {
			return nil, err
		}
		if fields == nil {
			break
		}
		if class != "" && fields[function] != class {
			continue
		}
		found = true
		for i, text := range fields[first:] {
			n, err := strconv.ParseUint(text, 10, 32)
			if err != nil || t.Counts[i]+int64(n) > MaxRequests {
				return nil, l.fail(columns[first+i], "%q is no number of invocations up to %d", clip(text), MaxRequests)
			}
			t.Counts[i] += int64(n)
		}
	}
	if !found {
		l.at = max(1, l.at)
		return nil, l.fail("", "has no function%s", ofClass(class))
	}
	return t, nil
}

// ReadPerSecond reads numbers of arrivals per second: whole numbers with spaces or line ends between them, as
// the InfAdapter project keeps a month of Twitter load. Errors are of type [*Error].
func ReadPerSecond(name string, r io.Reader) (*Counted, error) {
	l := newLines(name, r)
	l.scan.Buffer(nil, MaxTraceBytes) // the file may be one line
	t := &Counted{Origin: Origin{File: name, Format: FormatPerSecond}, Bin: time.Second}
	sum := int64(0)
	for {
		text, ok, err := l.next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		for word := range strings.FieldsSeq(text) {
			n, err := strconv.ParseUint(word, 10, 32)
			if sum += int64(n); err != nil || sum > MaxRequests {
				return nil, l.fail("", "%q is no number of arrivals, or there are more than %d in all", clip(word), MaxRequests)
			}
			if len(t.Counts) == MaxRows {
				return nil, l.fail("", "more than %d seconds", MaxRows)
			}
			t.Counts = append(t.Counts, int64(n))
		}
	}
	if len(t.Counts) == 0 {
		l.at = max(1, l.at)
		return nil, l.fail("", "is empty")
	}
	return t, nil
}

// ReadArrivals reads a trace file of any format.
func ReadArrivals(name string, r io.Reader, format, class string) (Arrivals, error) {
	var t Arrivals
	var err error
	switch format {
	case FormatCSV:
		t, err = deref(ReadCSV(name, r, class))
	case FormatAzure2019:
		t, err = deref(ReadAzure2019(name, r, class))
	case FormatAzure2021:
		t, err = deref(ReadAzure2021(name, r, class))
	case FormatPerSecond:
		t, err = deref(ReadPerSecond(name, r))
	default:
		return nil, &Error{File: name, Problem: "format " + strconv.Quote(clip(format)) + " is none of " + strings.Join(Formats, ", ")}
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

func deref[T any](t *T, err error) (T, error) {
	if t == nil {
		var zero T
		return zero, err
	}
	return *t, err
}
