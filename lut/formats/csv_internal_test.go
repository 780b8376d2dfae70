package formats

import (
	"strings"
	"testing"
)

// One row that never ends is cut off by the bound on the file, here a small one.
func TestCSVSizeBound(t *testing.T) {
	text := csvTitle + "\n" + strings.Join(csvColumns, ",") + "\nblock,\"" + strings.Repeat("x", 5000)
	_, err := readCSV(&boundedReader{strings.NewReader(text), 4096, 4096}, 0)
	if err == nil || !strings.Contains(err.Error(), "it is larger than the 4096 bytes allowed") {
		t.Errorf("error %v", err)
	}
	_, err = readCSV(&boundedReader{strings.NewReader(text[:4096]), 4096, 4096}, 0)
	if err == nil || !strings.Contains(err.Error(), "line 3: ") {
		t.Errorf("at the bound: error %v", err)
	}
}

// A row without quotes leaves no garbage, so that a table of a million entries takes little more
// memory than its entries.
func TestCSVReadsWithoutGarbage(t *testing.T) {
	const head = csvTitle + "\n"
	const row = "block,160,mbconv in=40x40x32 out=20x20x48 mid=96 k=3 s=2 act=relu se=1 res=0,300,1,2.5,3,1e6,2.75,1e-7,2,3,17,C,[]\n"
	allocations := func(rows int) float64 {
		text := head + strings.Join(csvColumns, ",") + "\n" + strings.Repeat(row, rows)
		return testing.AllocsPerRun(5, func() {
			tab, err := readCSV(strings.NewReader(text), rows)
			if err != nil || len(tab.Entries) != rows {
				t.Fatal(err)
			}
		})
	}
	if few, many := allocations(10), allocations(1000); many > few {
		t.Errorf("%v allocations for 10 rows, %v for 1000", few, many)
	}
}
