package plot

import (
	"strings"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
)

// wrap breaks a line between words so that each part is at most width wide, if words allow.
func wrap(style text.Style, line string, width vg.Length) []string {
	var lines []string
	current := ""
	for _, word := range strings.Fields(line) {
		longer := strings.TrimSpace(current + " " + word)
		if current != "" && style.Width(longer) > width {
			lines = append(lines, current)
			longer = word
		}
		current = longer
	}
	if current != "" {
		lines = append(lines, current)
	}
	return lines
}
