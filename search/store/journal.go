package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut/sqlite"
)

// Journal is what a search that has not finished has evaluated so far, in a study. It is for one
// goroutine.
type Journal struct {
	store   *Store
	digest  string
	stored  int
	pending []unit.Accuracy
}

// flushAfter is the number of accuracies that are held back before they are written.
const flushAfter = 10_000

// maxJournal bounds the accuracies that are read back.
const maxJournal = 1 << 30

// OpenJournal returns the journal of a search and what it holds, for search.Settings.Resume.
func (s *Store) OpenJournal(ctx context.Context, in Inputs) (*Journal, []unit.Accuracy, error) {
	digest, err := in.Digest()
	if err != nil {
		return nil, nil, err
	}
	var accuracies []unit.Accuracy
	err = s.study.View(ctx, func(tx *sql.Tx) error {
		return sqlite.Select(ctx, tx, func(rows *sql.Rows) error {
			var first int
			var blob []byte
			if err := rows.Scan(&first, &blob); err != nil {
				return err
			}
			part, err := decodeAccuracies(blob)
			if err == nil && first != len(accuracies) {
				err = fmt.Errorf("evaluation %d follows %d", first, len(accuracies))
			}
			if err == nil && len(accuracies)+len(part) > maxJournal {
				err = fmt.Errorf("more than %d evaluations", maxJournal)
			}
			if err != nil {
				return sqlite.Damagedf("journal of search %s: %w", digest, err)
			}
			accuracies = append(accuracies, part...)
			return nil
		}, "SELECT first, accuracies FROM search_journal WHERE digest = ? ORDER BY first", digest)
	})
	if err != nil {
		return nil, nil, err
	}
	return &Journal{store: s, digest: digest, stored: len(accuracies)}, accuracies, nil
}

// Record adds accuracies, for search.Settings.Record; they are written some thousands at a time. It
// returns an error if first is not the number of accuracies so far.
func (j *Journal) Record(first int, accuracies []unit.Accuracy) error {
	if have := j.stored + len(j.pending); first != have {
		return fmt.Errorf("store: journal: evaluation %d follows %d", first, have)
	}
	j.pending = append(j.pending, accuracies...)
	if len(j.pending) < flushAfter {
		return nil
	}
	return j.Flush(context.Background())
}

// Flush writes what is held back, in one transaction.
func (j *Journal) Flush(ctx context.Context) error {
	if len(j.pending) == 0 {
		return nil
	}
	err := j.store.study.Update(ctx, func(tx *sql.Tx) error {
		return sqlite.Insert(ctx, tx, "search_journal (digest, first, accuracies)", 1, func(int) []any {
			return []any{j.digest, j.stored, encodeAccuracies(j.pending)}
		})
	})
	if err != nil {
		return fmt.Errorf("store: journal: %w", err)
	}
	j.stored += len(j.pending)
	j.pending = j.pending[:0]
	return nil
}

// encodeAccuracies returns float64s, little-endian, and their CRC-32.
func encodeAccuracies(list []unit.Accuracy) []byte {
	blob := make([]byte, 0, 8*len(list)+4)
	for _, a := range list {
		blob = binary.LittleEndian.AppendUint64(blob, math.Float64bits(float64(a)))
	}
	return binary.LittleEndian.AppendUint32(blob, crc32.ChecksumIEEE(blob))
}

func decodeAccuracies(blob []byte) ([]unit.Accuracy, error) {
	n := len(blob) - 4
	if n < 0 || n%8 != 0 {
		return nil, fmt.Errorf("%d bytes are no list of accuracies", len(blob))
	}
	if crc32.ChecksumIEEE(blob[:n]) != binary.LittleEndian.Uint32(blob[n:]) {
		return nil, fmt.Errorf("the checksum of %d bytes is wrong", len(blob))
	}
	list := make([]unit.Accuracy, n/8)
	for i := range list {
		list[i] = unit.Accuracy(math.Float64frombits(binary.LittleEndian.Uint64(blob[8*i:])))
		if err := list[i].Validate(); err != nil {
			return nil, fmt.Errorf("evaluation %d: %w", i, err)
		}
	}
	return list, nil
}
