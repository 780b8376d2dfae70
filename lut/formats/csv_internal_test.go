package formats

import (
	"strings"
	"testing"
)

// One row that never ends is cut off by the bound on the file, here a small one.
func TestCSVSizeBound(t *testing.T) {
	text := csvTitle + "\n" + strings.Join(csvColumns, ",") + "\nblock,\"" + strings.Repeat("x", 5000)
	_, err := readCSV(&boundedReader{strings.NewReader(text), 4096, 4096})
	if err == nil || !strings.Contains(err.Error(), "it is larger than the 4096 bytes allowed") {
		t.Errorf("error %v", err)
	}
	_, err = readCSV(&boundedReader{strings.NewReader(text[:4096]), 4096, 4096})
	if err == nil || !strings.Contains(err.Error(), "line 3: ") {
		t.Errorf("at the bound: error %v", err)
	}
}
