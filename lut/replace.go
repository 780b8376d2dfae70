package lut

import (
	"fmt"
	"slices"
	"strings"
)

// Replace returns a copy of the table with the entries of a fresh one in the place of its own: some that were measured again because they
// no longer held. It says so in its provenance and warnings, has the worse of the two grades, and keeps whole networks and
// calibration, which are those of before. It returns an error, and no table, unless the fresh one is of the same space and
// operating point and each of its entries is one of the table's.
func (t *Table) Replace(fresh *Table) (*Table, error) {
	if fresh.Space != t.Space || fresh.SpaceDescription != t.SpaceDescription {
		return nil, fmt.Errorf("lut: replace: entries of space %s for a table of %s", fresh.Space, t.Space)
	}
	if differ := t.Point.Differences(fresh.Point); len(differ) > 0 {
		return nil, fmt.Errorf("lut: replace: %w", &PointError{differ})
	}
	if fresh.Origin != t.Origin {
		return nil, fmt.Errorf("lut: replace: %s entries for a table that is %s", fresh.Origin, t.Origin)
	}
	merged := *t
	merged.ID, merged.Created = 0, fresh.Created
	merged.Entries, merged.Provenance, merged.Warnings = slices.Clone(t.Entries), slices.Clone(t.Provenance), slices.Clone(t.Warnings)
	index := make(map[Key]int, len(t.Entries))
	for i, e := range merged.Entries {
		index[e.Key] = i
	}
	for _, e := range fresh.Entries {
		i, ok := index[e.Key]
		if !ok {
			return nil, fmt.Errorf("lut: replace: the table has no entry %v", e.Key)
		}
		merged.Entries[i] = e
	}
	if fresh.Grade.Worse(t.Grade) {
		merged.Grade = fresh.Grade
	}
	text := fmt.Sprintf("%d of %d entries were measured again on %s, the others on %s", len(fresh.Entries), len(t.Entries), fresh.Created.UTC().Format("2006-01-02"), t.Created.UTC().Format("2006-01-02"))
	times := 1
	for slices.ContainsFunc(merged.Provenance, func(f Fact) bool { return f.Name == replacedName(times) }) {
		times++
	}
	merged.Provenance = append(merged.Provenance, Fact{replacedName(times), text + "; their source: " + fresh.Source})
	merged.Warnings = append(merged.Warnings, text)
	if len(t.Networks) > 0 || t.Calibration != (Calibration{}) {
		merged.Warnings = append(merged.Warnings, "whole networks and calibration are of before entries were measured again")
	}
	merged.Warnings = append(merged.Warnings, fresh.Warnings...)
	merged.Warnings = slices.DeleteFunc(merged.Warnings, func(w string) bool { return strings.HasPrefix(w, gradeWarning) }) // of other entries
	if w := merged.GradeWarning(); w != "" {
		merged.Warnings = append(merged.Warnings, w)
	}
	slices.Sort(merged.Warnings)
	merged.Warnings = slices.Compact(merged.Warnings)
	merged.Sort()
	return &merged, merged.Validate()
}

func replacedName(n int) string {
	if n == 1 {
		return "entries measured again"
	}
	return fmt.Sprintf("entries measured again, %d", n)
}
