package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/lut"
)

// parseOnly reads the entries of --only.
func parseOnly(text string) ([]lut.Key, error) {
	separator := ";"
	if path, ok := strings.CutPrefix(text, "@"); ok {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		text, separator = string(data), "\n"
	}
	var keys []lut.Key
	for item := range strings.SplitSeq(text, separator) {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		k, err := lut.ParseKey(item)
		if err != nil {
			return nil, command.Usagef("--only: %w", err)
		}
		if slices.Contains(keys, k) {
			return nil, command.Usagef("--only: %v stands there twice", k)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, command.Usagef("--only names no entry")
	}
	return keys, nil
}

// replaceable returns the measured tables of a space on a processor that have all of some entries, newest last, or an error if there is none.
func replaceable(ctx context.Context, s *study, space string, p lut.OperatingPoint, only []lut.Key) ([]*lut.Table, error) {
	infos, err := s.Tables(ctx, lut.Query{Device: p.Device, Processor: p.Processor, Space: space})
	if err != nil {
		return nil, err
	}
	var tables []*lut.Table
	for _, i := range infos {
		if i.Origin != lut.Measured {
			continue
		}
		t, err := s.Table(ctx, lut.Query{ID: i.ID})
		if err != nil {
			return nil, err
		}
		has := make(map[lut.Key]bool, len(t.Entries))
		for _, e := range t.Entries {
			has[e.Key] = true
		}
		if !slices.ContainsFunc(only, func(k lut.Key) bool { return !has[k] }) {
			tables = append(tables, t)
		}
	}
	if len(tables) == 0 {
		return nil, fmt.Errorf("there is no measured table of space %s on %s/%s with all of the entries to put them into", space, p.Device, p.Processor)
	}
	return tables, nil
}

// replaceEntries puts entries that were measured again into the newest table of their operating point and stores the result as a new one.
func replaceEntries(ctx context.Context, s *study, fresh *lut.Table) (int64, *lut.Table, error) {
	var only []lut.Key
	for _, e := range fresh.Entries {
		only = append(only, e.Key)
	}
	tables, err := replaceable(ctx, s, fresh.Space, fresh.Point, only)
	if err != nil {
		return 0, nil, err
	}
	var refused error
	for _, old := range slices.Backward(tables) {
		merged, err := old.Replace(fresh)
		if err != nil {
			refused = fmt.Errorf("table %d: %w", old.ID, err)
			continue
		}
		id, err := s.PutTable(ctx, merged)
		return id, merged, err
	}
	return 0, nil, fmt.Errorf("no table takes the entries; the last that was tried is %w", refused)
}
