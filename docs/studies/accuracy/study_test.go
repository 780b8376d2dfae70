//go:build cgo

// Package accuracy_test is the study of measured accuracy on the built-in supernet: make study-accuracy.
package accuracy_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gonum.org/v1/gonum/stat"

	"github.com/dynofa/dynofa/datasets/checkpoint/fashion"
	fashionimages "github.com/dynofa/dynofa/datasets/images/fashion"
	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/ort"
	"github.com/dynofa/dynofa/search/accuracy"
)

const (
	networks = 200 // sampled for the predictor, of which
	heldOut  = 100 // are held back to compare with
	sampled  = 30  // beside the largest and the smallest, in the table of sub-networks, of which
	both     = 12  // are measured before recalibration too, on the built-in test pictures
	// Pictures of the calibration split for the networks of the predictor. Those of the table, of the demo
	// and of exports use all 1,000.
	calibration = "500"
)

// study runs the program and keeps what it measured, so that an interrupted study goes on.
type study struct {
	t          *testing.T
	binary, db string
	space      *supernet.Space
	rt         *ort.Runtime
}

// TestStudy measures and writes results.csv, the tables of README.md, and the built-in predictor of
// fashion-mbv3: on all pictures of a split where Debian's package has them, or on the built-in ones. It takes
// half an hour of processor time, or ten minutes.
func TestStudy(t *testing.T) {
	if os.Getenv("DYNOFA_STUDY") == "" {
		t.Skip("a study, not a test: make study-accuracy")
	}
	root := reftest.Root(t)
	library, err := ort.FindLibrary("")
	if err != nil {
		t.Fatal(err)
	}
	rt, err := ort.Load(library)
	if err != nil {
		t.Fatal(err)
	}
	s := &study{t: t, binary: filepath.Join(root, "bin", "dynofa"), db: filepath.Join(root, ".cache", "study-accuracy.db"), space: supernet.FashionMobileNetV3(), rt: rt}
	conditions := s.predictor(filepath.Join(root, "search", "accuracy"))
	rows := s.table()
	cost := s.cost()
	writeRows(t, rows)
	writeTables(t, conditions, rows, s.tau(rows), cost)
}

// split names a split of the pictures, all of them if they are there.
func split(name string) string {
	name = "fashion-mnist:" + name
	if _, err := os.Stat(fashionimages.DefaultFolder); err == nil {
		name += "@"
	}
	return name
}

// run runs a dynofa command and returns its records.
func (s *study) run(args ...string) []map[string]string {
	s.t.Helper()
	cmd := exec.Command(s.binary, append(args, "--db", s.db, "--format", "csv")...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		s.t.Fatalf("dynofa %s: %v", strings.Join(args, " "), err)
	}
	rows, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
	if err != nil || len(rows) < 2 {
		s.t.Fatalf("dynofa %s: %v, %d rows", strings.Join(args, " "), err, len(rows))
	}
	var list []map[string]string
	for _, row := range rows[1:] {
		m := map[string]string{}
		for i, name := range rows[0] {
			m[name] = row[i]
		}
		list = append(list, m)
	}
	return list
}

func (s *study) number(text string) float64 {
	s.t.Helper()
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

// predictor measures sampled sub-networks on the selection split, fits, compares with those held out, and
// writes the built-in predictor's files.
func (s *study) predictor(folder string) accuracy.FashionConditions {
	list := s.run("eval", "--checkpoint", "demo", "--random", fmt.Sprint(networks), "--images", split("selection"), "--calibration-pictures", calibration)
	fit := s.run("eval", "fit", "--space", s.space.Name, "--held-out", fmt.Sprint(heldOut), "-o", filepath.Join(folder, "fashion.csv"))
	w, err := fashion.Weights()
	if err != nil {
		s.t.Fatal(err)
	}
	c := accuracy.FashionConditions{
		Weights: list[0]["weights"], Data: list[0]["data"], Pictures: int(s.number(list[0]["images"])), Recalibration: list[0]["recalibration"],
		Networks: networks, HeldOut: heldOut, Tau: s.number(fit[0]["tau"]), MAE: s.number(fit[0]["mae"]) / 100,
	}
	if c.Weights != "checkpoint sha256:"+w.SHA256() {
		s.t.Fatalf("bin/dynofa has weights %s, this test %s: make build", c.Weights, w.SHA256())
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "fashion.json"), append(text, '\n'), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// row is a sub-network of the table.
type row struct {
	arch          supernet.Arch
	macs          int64
	drawn         bool              // at random
	latency       time.Duration     // median of one picture, one thread
	before, after map[string]string // before: nil if it was not measured
}

// table measures sub-networks on the test split, with and without recalibration.
func (s *study) table() []row {
	archs := []supernet.Arch{s.space.Smallest(), s.space.Largest()}
	rng := rand.New(rand.NewPCG(1, 0x7461626c65)) // "table"
	for i := range sampled {
		archs = append(archs, s.space.Random(rng, s.space.Resolutions[i%len(s.space.Resolutions)]))
	}
	var rows []row
	for i, a := range archs {
		a, err := s.space.Canonical(a)
		if err != nil {
			s.t.Fatal(err)
		}
		macs, err := s.space.MACs(a)
		if err != nil {
			s.t.Fatal(err)
		}
		r := row{arch: a, macs: macs, latency: s.latency(a)}
		if i < both {
			r.before = s.run("eval", "--checkpoint", "demo", "--images", "fashion-mnist:test", "--arch", a.String(), "--calibration", "none")[0]
		}
		r.after = s.run("eval", "--checkpoint", "demo", "--images", split("test"), "--arch", a.String())[0]
		r.drawn = i >= 2
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row) int { return int(a.macs - b.macs) })
	return rows
}

// tau is Kendall's between MACs and top-1 over the sub-networks drawn at random.
func (s *study) tau(rows []row) float64 {
	var macs, top1 []float64
	for _, r := range rows {
		if r.drawn {
			macs, top1 = append(macs, float64(r.macs)), append(top1, s.number(r.after["top1"]))
		}
	}
	return stat.Kendall(macs, top1, nil)
}

// latency is the median processor time of one picture at one thread.
func (s *study) latency(a supernet.Arch) time.Duration {
	w, err := fashion.Weights()
	if err != nil {
		s.t.Fatal(err)
	}
	model, err := onnx.Network(s.space, a, w, onnx.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	session := s.session(model, ort.Options{})
	defer session.Close()
	var times []time.Duration
	for range 60 {
		times = append(times, s.timed(session))
	}
	slices.Sort(times[10:])
	return times[10:][25]
}

func (s *study) session(model []byte, o ort.Options) *ort.Session {
	s.t.Helper()
	session, err := s.rt.NewSession(model, o)
	if err != nil {
		s.t.Fatal(err)
	}
	in := session.Input()
	for i := range in {
		in[i] = float32((i*37)&255)/128 - 1
	}
	return session
}

// timed runs a session and returns the processor time that it took.
func (s *study) timed(session *ort.Session) time.Duration {
	s.t.Helper()
	began := processor()
	if err := session.Run(); err != nil {
		s.t.Fatal(err)
	}
	return processor() - began
}

func processor() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// costOf is what recalibration costs on one sub-network.
type costOf struct {
	name               string
	plain, calibrating time.Duration // of one batch, the least of some
	operators          []operator    // of the recalibration
}

type operator struct {
	name  string
	share float64
}

const costBatch = 16

// cost compares recalibration with plain inference on w1.2 at 224 pixels.
func (s *study) cost() []costOf {
	space, err := supernet.ByName("ofa-mbv3-w1.2")
	if err != nil {
		s.t.Fatal(err)
	}
	w, err := onnx.RandomWeights(space, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	var list []costOf
	for _, c := range []struct {
		name string
		arch supernet.Arch
	}{
		{"smallest: kernel 3, expand 3, depth 2", space.Uniform(3, 3, 2, 224)},
		{"middle: kernel 5, expand 4, depth 3", space.Uniform(5, 4, 3, 224)},
		{"largest: kernel 7, expand 6, depth 4", space.Uniform(7, 6, 4, 224)},
	} {
		plain, err := onnx.Network(space, c.arch, w, onnx.Options{Batch: costBatch})
		if err != nil {
			s.t.Fatal(err)
		}
		calibrating, err := onnx.Calibration(space, c.arch, w, onnx.Options{Batch: costBatch})
		if err != nil {
			s.t.Fatal(err)
		}
		a, b := s.session(plain, ort.Options{}), s.session(calibrating, ort.Options{})
		out := costOf{name: c.name, plain: time.Hour, calibrating: time.Hour}
		for range 5 { // in turn, 80 pictures; the first is a warm-up unless it is the fastest
			out.plain, out.calibrating = min(out.plain, s.timed(a)), min(out.calibrating, s.timed(b))
		}
		a.Close()
		b.Close()
		out.operators = s.profile(calibrating)
		list = append(list, out)
	}
	return list
}

// profile returns the operators of a model by the time that they take.
func (s *study) profile(model []byte) []operator {
	prefix := filepath.Join(s.t.TempDir(), "profile")
	session := s.session(model, ort.Options{Profile: prefix})
	for range 3 {
		s.timed(session)
	}
	session.Close()
	files, err := filepath.Glob(prefix + "*")
	if err != nil || len(files) != 1 {
		s.t.Fatalf("profiles %v, %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		s.t.Fatal(err)
	}
	var events []struct {
		Cat, Name string
		Dur       float64
		Args      struct {
			Op string `json:"op_name"`
		}
	}
	if err := json.Unmarshal(text, &events); err != nil {
		s.t.Fatal(err)
	}
	times, total := map[string]float64{}, 0.
	for _, e := range events {
		if e.Cat == "Node" && strings.HasSuffix(e.Name, "_kernel_time") {
			times[e.Args.Op] += e.Dur
			total += e.Dur
		}
	}
	var list []operator
	for name, d := range times {
		list = append(list, operator{name, d / total})
	}
	slices.SortFunc(list, func(a, b operator) int {
		if a.share != b.share {
			if a.share > b.share {
				return -1
			}
			return 1
		}
		return strings.Compare(a.name, b.name)
	})
	return list
}
