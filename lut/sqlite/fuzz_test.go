package sqlite_test

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/luttest"
	"github.com/dynofa/dynofa/lut/sqlite"
)

// FuzzOpen overwrites eight bytes of a study, cuts it, and reads everything: errors are fine, a table
// that is handed out is valid.
func FuzzOpen(f *testing.F) {
	path := filepath.Join(f.TempDir(), "s.db")
	s, err := sqlite.Create(context.Background(), path)
	if err != nil {
		f.Fatal(err)
	}
	if _, err := s.PutTable(context.Background(), luttest.Table(1, 3)); err != nil {
		f.Fatal(err)
	}
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	size := uint32(len(good))
	f.Add(uint32(0), size, uint64(0))
	f.Add(uint32(60), size, uint64(99)<<32)
	f.Add(uint32(100), size, uint64(0xffffffffffffffff))
	f.Add(uint32(4096), size, uint64(0x0d00000001000000))
	f.Add(size, size/2, uint64(0))
	f.Add(size-8, size, uint64(1))
	f.Fuzz(func(t *testing.T, offset, length uint32, value uint64) {
		data := append([]byte(nil), good...)
		if at := int(offset % size); at+8 <= len(data) {
			binary.BigEndian.PutUint64(data[at:], value)
		}
		data = data[:min(length, size)]
		path := filepath.Join(t.TempDir(), "s.db")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := sqlite.Open(context.Background(), path)
		if err != nil {
			return
		}
		defer s.Close()
		if tab, err := s.Table(context.Background(), lut.Query{}); err == nil {
			if err := tab.Validate(); err != nil {
				t.Errorf("an invalid table is handed out: %v", err)
			}
		}
		_, _ = s.Tables(context.Background(), lut.Query{})
		_ = s.Check(context.Background())
	})
}
