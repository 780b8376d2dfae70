package command_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/datasets/images/fashion"
)

func file(t *testing.T, name string, parts ...any) string {
	t.Helper()
	var b bytes.Buffer
	for _, p := range parts {
		if err := binary.Write(&b, binary.BigEndian, p); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenPictures(t *testing.T) {
	pictures := file(t, "pictures", uint32(0x803), uint32(2), uint32(3), uint32(3), make([]byte, 18))
	labels := file(t, "labels", uint32(0x801), uint32(2), []byte{4, 9})
	short := file(t, "short", uint32(0x801), uint32(1), []byte{4})
	cifar := file(t, "cifar", []byte{7}, make([]byte, 3072))
	folder := t.TempDir()
	if _, err := images.WritePatterns(folder, 1, 3, 16); err != nil {
		t.Fatal(err)
	}
	truth := file(t, "truth", []byte("1\n0\n1\n"))
	for _, c := range []struct {
		arg, labels   string
		n, label      int // of the last picture
		classes, size int
	}{
		{"builtin", "", 8, images.Unlabelled, 0, 320},
		{"idx:" + pictures + "," + labels, "", 2, 9, 0, 3},
		{"idx:" + pictures, "", 2, images.Unlabelled, 0, 3},
		{"cifar10:" + cifar + "," + cifar, "", 2, 7, 10, 32},
		{folder, "", 3, images.Unlabelled, 0, 16},
		{folder, truth, 3, 1, 0, 16},
		{"fashion-mnist:test", "", 2000, -2, 10, 28},
		{"fashion-mnist:calibration", "", 1000, -2, 10, 28},
	} {
		p, err := command.OpenPictures(c.arg, c.labels)
		if err != nil {
			t.Errorf("%s: %v", c.arg, err)
			continue
		}
		last := p.Len() - 1
		img, err := p.Image(last)
		if err != nil || img.Bounds().Dx() != c.size || p.Len() != c.n || len(p.Classes()) != c.classes || c.label != -2 && p.Label(last) != c.label {
			t.Errorf("%s: %d pictures, %d classes, the last of class %d: %v", c.arg, p.Len(), len(p.Classes()), p.Label(last), err)
		}
		one, err := p.Digest(t.Context())
		if two, err2 := p.Digest(t.Context()); err != nil || err2 != nil || one == "" || one != two {
			t.Errorf("%s: digests %q and %q, %v, %v", c.arg, one, two, err, err2)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	var format *images.FormatError
	var usage command.UsageError
	for _, c := range []struct {
		arg, labels string
		as          any
		is          error
	}{
		{"idx:" + pictures + "," + short, "", &format, nil},
		{"idx:" + labels, "", &format, nil},
		{"idx:" + pictures + "," + labels + "," + labels, "", &usage, nil},
		{"cifar10:" + pictures, "", &format, nil},
		{"cifar100:" + cifar, "", &format, nil},
		{"idx:nowhere", "", nil, os.ErrNotExist},
		{"nowhere", "", nil, os.ErrNotExist},
		{folder, "nowhere", nil, os.ErrNotExist},
		{"fashion-mnist:train", "", nil, fashion.ErrSplit},
		{"fashion-mnist:test@nowhere", "", nil, os.ErrNotExist},
		{"fashion-mnist:test", truth, &usage, nil},
	} {
		_, err := command.OpenPictures(c.arg, c.labels)
		if err == nil || c.as != nil && !errors.As(err, c.as) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s, labels %q: %v", c.arg, c.labels, err)
		}
	}
}
