package command

import (
	"fmt"
	"io/fs"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/search/family"
)

// checkChosenClocks looks whether the clocks that a bundle's policy chooses can be set here. may tells of a file, by its name below the
// system's root.
func checkChosenClocks(fsys fs.FS, may func(name string) bool, policy string, chosen []family.Clocks) []finding {
	var list []finding
	g := host.NewGovernor(fsys, nil) // it changes nothing before it is told to
	for _, c := range chosen {
		f := finding{name: "clocks of " + c.Processor, verdict: checkWarn}
		files, held := g.Files(c.Processor), g.Read(c.Processor)
		had := 0
		for _, s := range c.Steps {
			if (held.Low == 0 || s >= held.Low*99/100) && (held.High == 0 || s <= held.High*101/100) {
				had++
			}
		}
		refused := 0
		for _, name := range files {
			if !may(name) {
				refused++
			}
		}
		switch {
		case len(files) == 0:
			f.detail = fmt.Sprintf("policy %s chooses among %d, but this system tells none", policy, len(c.Steps))
			f.remedy = "none: it plans with the highest one; tune a policy without --goal energy, or for the clock that holds"
		case had < min(2, len(c.Steps)):
			f.detail = fmt.Sprintf("of the %d that policy %s chooses among, %d can be had: the system holds them from %v to %v", len(c.Steps), policy, had, held.Low, held.High)
			f.remedy = "give them free (jetson_clocks --restore; cpupower frequency-set -d LOWEST -u HIGHEST), or choose another power mode"
		case refused > 0:
			f.detail = fmt.Sprintf("policy %s chooses among %d, but this user may not write %d of %d files such as /%s", policy, len(c.Steps), refused, len(files), files[0])
			f.remedy = "run as root, or give a group the files (docs/deploying.md, Clocks); without it the policy runs at the clock that holds"
		default:
			f.verdict = checkOK
			f.detail = fmt.Sprintf("%d of the %d that policy %s chooses among can be set, with run --clocks set", had, len(c.Steps), policy)
		}
		list = append(list, f)
	}
	return list
}
