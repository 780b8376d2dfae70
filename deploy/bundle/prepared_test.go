package bundle_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/onnx"
)

// fakeOptimise stands for a runtime: level i has the tensors of contents[i], all outside of the graph.
func fakeOptimise(contents [][]string) func(model []byte, dir, name string) ([]byte, error) {
	return func(model []byte, dir, name string) ([]byte, error) {
		if _, err := onnx.Inspect(model); err != nil {
			return nil, err
		}
		var level int
		if _, err := fmt.Sscan(name, &level); err != nil {
			return nil, err
		}
		var data []byte
		var graph []byte
		for i, text := range contents[level] {
			at := len(data) + 3 // not aligned
			data = append(append(data, "..."...), text...)
			graph = field(graph, 5, outside(fmt.Sprintf("t%d", i), name, at, len(text)))
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return nil, err
		}
		head := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 7)
		return field(head, 7, field(graph, 2, []byte("g"))), nil
	}
}

func field(b []byte, num protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), v)
}

// outside is an initialiser whose data lies in another file.
func outside(name, file string, at, n int) []byte {
	t := field(nil, 8, []byte(name))
	t = protowire.AppendVarint(protowire.AppendTag(t, 2, protowire.VarintType), 1)
	for _, e := range [][2]string{{"location", file}, {"offset", fmt.Sprint(at)}, {"length", fmt.Sprint(n)}} {
		t = field(t, 13, field(field(nil, 1, []byte(e[0])), 2, []byte(e[1])))
	}
	return protowire.AppendVarint(protowire.AppendTag(t, 14, protowire.VarintType), 1)
}

// tensor returns n bytes that differ from seed to seed; a longer one begins with a shorter one.
func tensor(seed uint32, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(seed*2654435761>>8) ^ byte(i*i>>4) ^ byte(i)
	}
	return string(b)
}

var contents = [][]string{
	{tensor(1, 2000), tensor(2, 100_000), tensor(3, 1500)},
	{tensor(1, 2000), tensor(2, 150_000)}, // the first again, and one that begins like an earlier one
	{tensor(1, 3000), tensor(4, 1024), tensor(4, 1024), tensor(3, 1500) + "x"},
}

func openFixture(t testing.TB, dir string) *bundle.Bundle {
	t.Helper()
	b, err := bundle.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

func preparation(cache string) bundle.Preparation {
	return bundle.Preparation{Cache: cache, Target: "this machine", Optimise: fakeOptimise(contents)}
}

// reads checks that every level finds the bytes of its tensors.
func reads(t testing.TB, p *bundle.Prepared) {
	t.Helper()
	graphs, err := p.Read()
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range graphs {
		list, err := onnx.Externals(g)
		if err != nil || len(list) != len(contents[i]) {
			t.Fatalf("level %d: %d tensors, %v", i, len(list), err)
		}
		for j, e := range list {
			data, err := os.ReadFile(filepath.Join(p.Dir(), e.File))
			if err != nil {
				t.Fatal(err)
			}
			if got := data[e.Offset : e.Offset+e.Length]; string(got) != contents[i][j] || e.Offset%64 != 0 {
				t.Errorf("level %d: tensor %d at %d is not what it was", i, j, e.Offset)
			}
		}
	}
}

func TestPrepare(t *testing.T) {
	b := openFixture(t, written(t, 1))
	cache := filepath.Join(t.TempDir(), "a", "cache")
	p, err := b.Prepare(t.Context(), preparation(cache))
	if err != nil {
		t.Fatal(err)
	}
	reads(t, p)
	// Stored once: 3000, 150,000, 1501 and 1024 bytes, three gaps below 64 bytes. All: 103,500,
	// 152,000 and 6,549.
	if p.TotalBytes() != 262_049 || p.UniqueBytes() < 155_525 || p.UniqueBytes() > 155_525+3*63 {
		t.Errorf("%d bytes unique, %d in all", p.UniqueBytes(), p.TotalBytes())
	}
	made := 0
	count := preparation(cache)
	count.Optimise = func(m []byte, dir, name string) ([]byte, error) {
		made++
		return fakeOptimise(contents)(m, dir, name)
	}
	again, err := b.Prepare(t.Context(), count)
	if err != nil || again.Dir() != p.Dir() || made != 0 {
		t.Errorf("prepared again: %v, %d levels optimised", err, made)
	}
	count.Target = "another machine"
	other, err := b.Prepare(t.Context(), count)
	if err != nil || other.Dir() == p.Dir() || made != 3 {
		t.Errorf("another target: %v, %d levels optimised", err, made)
	}
	c := openFixture(t, written(t, 2))
	if third, err := c.Prepare(t.Context(), preparation(cache)); err != nil || third.Dir() == p.Dir() {
		t.Errorf("another bundle: %v", err)
	}
	if entries, _ := os.ReadDir(cache); len(entries) != 3 {
		t.Errorf("%d entries in the cache, want 3", len(entries))
	}
	for i := range 5 { // what was opened longest ago goes
		count.Target = fmt.Sprint("machine ", i)
		if _, err := b.Prepare(t.Context(), count); err != nil {
			t.Fatal(err)
		}
		used := count
		used.Target = preparation(cache).Target
		if _, err := b.Prepare(t.Context(), used); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(p.Dir()); err != nil || made != 3+5*3 {
		t.Errorf("what was opened each time was pruned and made again: %d levels optimised, %v", made, err)
	}
	if entries, _ := os.ReadDir(cache); len(entries) != 4 {
		t.Errorf("%d entries in the cache, want 4", len(entries))
	}
}

// Any damage is refused by Read, or found by Prepare, which makes the files anew.
func TestPreparedDamage(t *testing.T) {
	b := openFixture(t, written(t, 1))
	cache := t.TempDir()
	if err := os.Chmod(cache, 0o700); err != nil {
		t.Fatal(err)
	}
	p, err := b.Prepare(t.Context(), preparation(cache))
	if err != nil {
		t.Fatal(err)
	}
	flips := 0
	for name, data := range readAll(t, p.Dir()) {
		path := filepath.Join(p.Dir(), name)
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(data); i += max(1, len(data)/20) {
			patch(t, path, int64(i), data[i]^0x10)
			if name == "prepared.json" {
				q, err := b.Prepare(t.Context(), preparation(cache))
				if err != nil {
					t.Fatal(err)
				}
				reads(t, q)
				put(t, path, data)
			} else if _, err := p.Read(); !errors.Is(err, bundle.ErrDamaged) {
				t.Errorf("%s: byte %d flipped: %v", name, i, err)
			}
			patch(t, path, int64(i), data[i])
			flips++
		}
	}
	reads(t, p)
	t.Logf("%d flipped bytes", flips)
	for _, name := range []string{"family.bin", "1.onnx", "prepared.json"} {
		if err := os.Truncate(filepath.Join(p.Dir(), name), 10); err != nil {
			t.Fatal(err)
		}
		q, err := b.Prepare(t.Context(), preparation(cache))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		reads(t, q)
	}
	put(t, filepath.Join(p.Dir(), "extra"), "x")
	q, err := b.Prepare(t.Context(), preparation(cache))
	if err != nil {
		t.Fatal(err)
	}
	reads(t, q)
	alone(t, p.Dir(), "0.onnx", "1.onnx", "2.onnx", "family.bin", "prepared.json")
}

// Damage that only a digest shows is repaired from the bundle.
func TestPrepareReadRepairs(t *testing.T) {
	b := openFixture(t, written(t, 1))
	cache := filepath.Join(t.TempDir(), "cache")
	p, graphs, remade, err := b.PrepareRead(t.Context(), preparation(cache))
	if err != nil || remade || len(graphs) != 3 {
		t.Fatalf("%d graphs, remade %v: %v", len(graphs), remade, err)
	}
	blob := filepath.Join(p.Dir(), "family.bin")
	if err := os.Chmod(blob, 0o600); err != nil {
		t.Fatal(err)
	}
	patch(t, blob, 777, 1)
	p, _, remade, err = b.PrepareRead(t.Context(), preparation(cache))
	if err != nil || !remade {
		t.Fatalf("remade %v: %v", remade, err)
	}
	reads(t, p)
}

func TestPrepareFailsWhole(t *testing.T) {
	b := openFixture(t, written(t, 1))
	broken := errors.New("no such instruction")
	for name, change := range map[string]func(*bundle.Preparation, context.CancelFunc){
		"optimiser": func(p *bundle.Preparation, _ context.CancelFunc) {
			p.Optimise = func([]byte, string, string) ([]byte, error) { return nil, broken }
		},
		"no graph": func(p *bundle.Preparation, _ context.CancelFunc) {
			p.Optimise = func(_ []byte, dir, name string) ([]byte, error) {
				return []byte("x"), os.WriteFile(filepath.Join(dir, name), nil, 0o600)
			}
		},
		"tensor beyond its file": func(p *bundle.Preparation, _ context.CancelFunc) {
			p.Optimise = func(m []byte, dir, name string) ([]byte, error) {
				g, err := fakeOptimise(contents)(m, dir, name)
				return g, errors.Join(err, os.Truncate(filepath.Join(dir, name), 2000))
			}
		},
		"other file": func(p *bundle.Preparation, _ context.CancelFunc) {
			p.Optimise = func(m []byte, dir, name string) ([]byte, error) {
				g, err := fakeOptimise(contents)(m, dir, name)
				return bytes.ReplaceAll(g, []byte("\x08location\x12\x01"+name), []byte("\x08location\x12\x017")), err
			}
		},
		"cancel": func(p *bundle.Preparation, cancel context.CancelFunc) {
			p.Optimise = func(m []byte, dir, name string) ([]byte, error) {
				cancel()
				return fakeOptimise(contents)(m, dir, name)
			}
		},
		"no target": func(p *bundle.Preparation, _ context.CancelFunc) { p.Target = "" },
		"two lines": func(p *bundle.Preparation, _ context.CancelFunc) { p.Target = "a\nb" },
	} {
		t.Run(name, func(t *testing.T) {
			cache := filepath.Join(t.TempDir(), "cache")
			p := preparation(cache)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			change(&p, cancel)
			if _, err := b.Prepare(ctx, p); err == nil {
				t.Fatal("no error")
			}
			if entries, _ := os.ReadDir(cache); len(entries) != 0 {
				t.Errorf("%d entries are left", len(entries))
			}
		})
	}
	open := filepath.Join(t.TempDir(), "open")
	if err := errors.Join(os.Mkdir(open, 0o777), os.Chmod(open, 0o777)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Prepare(t.Context(), preparation(open)); err == nil || !strings.Contains(err.Error(), "others can write") {
		t.Errorf("a folder that others can write to: %v", err)
	}
}

func TestPrepareAtOnce(t *testing.T) {
	dir := written(t, 1)
	cache := filepath.Join(t.TempDir(), "cache")
	var wait sync.WaitGroup
	for range 4 {
		b := openFixture(t, dir)
		wait.Go(func() {
			for try := range 3 { // who cleans up beside another is told to try again
				p, err := b.Prepare(t.Context(), preparation(cache))
				if err == nil {
					reads(t, p)
					return
				}
				if try == 2 {
					t.Error(err)
				}
			}
		})
	}
	wait.Wait()
	if entries, _ := os.ReadDir(cache); len(entries) != 1 {
		t.Errorf("%d entries, want 1", len(entries))
	}
}

// FuzzRelocate: what is accepted is moved, and only moved.
func FuzzRelocate(f *testing.F) {
	g, err := fakeOptimise(contents)(mustLevel(f), f.TempDir(), "0")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(g)
	f.Add(bytes.ReplaceAll(g, []byte("length"), []byte("lenght")))
	f.Add(binary.LittleEndian.AppendUint32(nil, 7))
	f.Fuzz(func(t *testing.T, model []byte) {
		list, err := onnx.Externals(model)
		if err != nil {
			return
		}
		same, err := onnx.Relocate(model, func(e onnx.External) onnx.External { return e })
		if err != nil {
			t.Fatal(err)
		}
		again, err := onnx.Externals(same)
		if err != nil || fmt.Sprint(list) != fmt.Sprint(again) {
			t.Errorf("%v became %v: %v", list, again, err)
		}
	})
}

func mustLevel(t testing.TB) []byte {
	t.Helper()
	m, err := openFixture(t, written(t, 1)).Level(0)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
