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

// replaceEntries puts entries that were measured again into the newest table of their operating point and stores the result as a new one.
func replaceEntries(ctx context.Context, s *study, fresh *lut.Table) (int64, *lut.Table, error) {
	infos, err := s.Tables(ctx, lut.Query{Device: fresh.Point.Device, Processor: fresh.Point.Processor})
	if err != nil {
		return 0, nil, err
	}
	var refused error
	for _, i := range slices.Backward(infos) {
		if i.Space != fresh.Space || i.Origin != lut.Measured {
			continue
		}
		old, err := s.Table(ctx, lut.Query{ID: i.ID})
		if err != nil {
			return 0, nil, err
		}
		merged, err := old.Replace(fresh)
		if err != nil {
			refused = fmt.Errorf("table %d: %w", i.ID, err)
			continue
		}
		id, err := s.PutTable(ctx, merged)
		return id, merged, err
	}
	if refused != nil {
		return 0, nil, fmt.Errorf("no table takes the entries; the last that was tried is %w", refused)
	}
	return 0, nil, fmt.Errorf("there is no measured table of space %s on %s/%s to put entries into", fresh.Space, fresh.Point.Device, fresh.Point.Processor)
}
