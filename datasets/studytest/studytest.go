// Package studytest has what the reports of studies share. Tests import it, nothing else does.
package studytest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/host"
)

// readme is the file of a study's report, in the folder of its test.
const readme = "README.md"

// endMark ends the part that a target writes.
const endMark = "<!-- end of tables -->"

func beginMark(target string) string { return "<!-- tables: written by make " + target + " -->\n" }

// Rewrite replaces the part of the study's README.md that a target of the Makefile writes: what stands between the two marks
// of that target.
func Rewrite(t testing.TB, target, text string) {
	t.Helper()
	data, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	begin := beginMark(target)
	before, rest, ok1 := strings.Cut(string(data), begin)
	_, after, ok2 := strings.Cut(rest, endMark)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for what make %s writes", readme, target)
	}
	if err := os.WriteFile(readme, []byte(before+begin+text+endMark+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Machine describes the machine: "Intel(R) Xeon(R) CPU, 2 processors, Linux 6.1.0".
func Machine() string {
	m := host.ReadMachine(host.FS())
	return fmt.Sprintf("%s, %d processors, Linux %s", m.CPU.Model, m.CPU.Online, m.Kernel.Release)
}

// LoadAverage returns the load average of the last minute, such as "0.42".
func LoadAverage() string {
	l := host.ReadState(host.FS()).LoadAverage
	if len(l) == 0 {
		return "unknown"
	}
	return fmt.Sprintf("%.2f", l[0])
}
