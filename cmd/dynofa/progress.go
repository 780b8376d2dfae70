package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/lut/profile"
)

// profileProgress shows how far a profile is: a bar with the time left on a terminal, plain lines for
// every quarter of a phase elsewhere.
func profileProgress(c *cli.Context) (func(profile.Progress), error) {
	w := c.App.ErrWriter
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		if info.Mode()&os.ModeCharDevice != 0 {
			return (&bar{w: w}).show, nil
		}
	}
	last := ""
	return func(p profile.Progress) {
		line := fmt.Sprintf("%s: %d%% of %d", p.Phase, 100*p.Done/max(1, p.Total)/25*25, p.Total)
		if line != last {
			fmt.Fprintln(w, line)
			last = line
		}
	}, nil
}

// bar draws on one line of a terminal, at most every tenth of a second.
type bar struct {
	w     io.Writer
	phase profile.Phase
	drawn time.Duration
}

const barWidth = 30

func (b *bar) show(p profile.Progress) {
	last := p.Done == p.Total
	if p.Phase == b.phase && !last && p.Elapsed-b.drawn < 100*time.Millisecond {
		return
	}
	if b.phase != "" && p.Phase != b.phase {
		fmt.Fprintln(b.w)
	}
	b.phase, b.drawn = p.Phase, p.Elapsed
	full := barWidth * p.Done / max(1, p.Total)
	line := fmt.Sprintf("%-8s [%s%s] %d/%d", p.Phase, strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), p.Done, p.Total)
	if left := p.Left(); left > 0 {
		line += ", at most " + left.Round(time.Second).String() + " left"
	}
	fmt.Fprintf(b.w, "\r\x1b[K%s", line)
	if last && p.Phase == profile.Measuring {
		fmt.Fprintln(b.w)
	}
}

// stepProgress shows how many steps of some work are done: a bar with the time left on a terminal, a line for every
// quarter elsewhere if there are many of them.
func stepProgress(c *cli.Context, what string) func(done, total int) {
	w, terminal := c.App.ErrWriter, false
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil {
			terminal = info.Mode()&os.ModeCharDevice != 0
		}
	}
	start, drawn, quarter := time.Now(), time.Time{}, 0
	return func(done, total int) {
		if total < manySteps {
			return
		}
		if !terminal {
			if q := 4 * done / total; q > quarter {
				quarter = q
				fmt.Fprintf(w, "%s: %d%% of %d\n", what, 25*q, total)
			}
			return
		}
		at := time.Now()
		if done < total && at.Sub(drawn) < 100*time.Millisecond {
			return
		}
		drawn = at
		full := barWidth * done / total
		fmt.Fprintf(w, "\r\x1b[K%-8s [%s%s] %d/%d", what, strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), done, total)
		if done == total {
			fmt.Fprintln(w)
			return
		}
		left := time.Duration(float64(at.Sub(start)) * float64(total-done) / float64(done))
		fmt.Fprintf(w, ", about %v left", left.Round(time.Second))
	}
}

// manySteps is the number of steps from which progress is shown.
const manySteps = 200
