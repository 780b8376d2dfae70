package host_test

import (
	"errors"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/datasets/unit"
)

// soc is a kernel with the governor userspace, clusters that may be hot, and files that may not be written to.
type soc struct {
	kernel
	heat   map[string]int   // highest clock of a folder, in its unit
	broken map[string]error // by part of a name
	writes []string
}

func newSoc(tree fstest.MapFS) *soc {
	for name := range tree {
		if dir, ok := strings.CutSuffix(name, "/scaling_governor"); ok {
			tree[dir+"/scaling_available_governors"] = &fstest.MapFile{Data: []byte("conservative ondemand userspace powersave performance schedutil \n")}
			tree[dir+"/scaling_setspeed"] = &fstest.MapFile{Data: []byte("<unsupported>\n")}
		}
	}
	return &soc{kernel: kernel{tree: tree}, heat: map[string]int{}, broken: map[string]error{}}
}

func (s *soc) put(name string, text string) {
	s.tree[name] = &fstest.MapFile{Data: []byte(text + "\n")}
}

func (s *soc) WriteFile(name, content string) error {
	for part, err := range s.broken {
		if strings.Contains(name, part) {
			return &fs.PathError{Op: "write", Path: "/" + name, Err: err}
		}
	}
	s.writes = append(s.writes, path.Base(path.Dir(name))+"/"+path.Base(name)+"="+content)
	dir := path.Dir(name)
	governor := dir + "/scaling_governor"
	switch path.Base(name) {
	case "scaling_setspeed":
		if strings.TrimSpace(string(s.tree[governor].Data)) != "userspace" {
			return errors.New("invalid argument")
		}
		n, err := strconv.Atoi(content)
		if err != nil {
			return err
		}
		low, _ := s.get(dir + "/scaling_min_freq")
		high, _ := s.get(dir + "/scaling_max_freq")
		s.put(name, strconv.Itoa(min(max(n, low), high)))
		return nil
	case "scaling_governor":
		s.put(name, content)
		s.put(dir+"/scaling_setspeed", "<unsupported>")
		if content == "userspace" {
			at, _ := s.get(dir + "/scaling_cur_freq")
			s.put(dir+"/scaling_setspeed", strconv.Itoa(at))
		}
		return nil
	}
	return s.kernel.WriteFile(name, content)
}

// hot holds a folder's clocks down from now on.
func (s *soc) hot(dir, file string, most int) {
	s.put(dir+file, strconv.Itoa(most))
	if n, ok := s.get(dir + "scaling_setspeed"); ok && n > most {
		s.put(dir+"scaling_setspeed", strconv.Itoa(most))
	}
}

const (
	policy0 = "sys/devices/system/cpu/cpufreq/policy0/"
	policy2 = "sys/devices/system/cpu/cpufreq/policy2/"
	gv11b   = "sys/class/devfreq/17000000.gv11b/"
)

// unpinned is the Xavier NX with the limits of its hardware.
func unpinned() fstest.MapFS {
	tree := xavierNX()
	for _, dir := range []string{policy0, policy2} {
		tree[dir+"scaling_min_freq"] = &fstest.MapFile{Data: []byte("115200\n")}
		tree[dir+"scaling_max_freq"] = &fstest.MapFile{Data: []byte("1907200\n")}
	}
	return tree
}

func TestGovernor(t *testing.T) {
	for name, c := range map[string]struct {
		tree       fstest.MapFS
		plain      bool // without the governor userspace
		processor  string
		clock      unit.Hertz
		prepare    func(s *soc)
		held       unit.Hertz
		err        string
		after      func(s *soc) // something that happens then
		then       host.Held
		unrestored string
	}{
		"userspace": {tree: unpinned(), processor: "cpu", clock: 1.4208e9, held: 1.4208e9, then: host.Held{Clock: 1.4208e9, Low: 115.2e6, High: 1.9072e9}},
		"limits of a mode are kept": {tree: xavierNX(), processor: "cpu", clock: 1.9072e9, held: 1.4208e9,
			then: host.Held{Clock: 1.4208e9, Low: 1.1904e9, High: 1.4208e9}},
		"without userspace": {tree: unpinned(), plain: true, processor: "cpu", clock: 729.6e6, held: 729.6e6, then: host.Held{Clock: 729.6e6, Low: 115.2e6, High: 1.9072e9}},
		"refused userspace": {tree: unpinned(), processor: "cpu", clock: 729.6e6, held: 729.6e6, then: host.Held{Clock: 729.6e6, Low: 115.2e6, High: 1.9072e9},
			prepare: func(s *soc) { s.broken["scaling_governor"] = fs.ErrPermission }},
		"a GPU": {tree: unpinned(), processor: "gpu", clock: 803.25e6, held: 803.25e6, then: host.Held{Clock: 803.25e6, Low: 114.75e6, High: 1109.25e6}},
		"a GPU that is hot": {tree: unpinned(), processor: "gpu", clock: 1109.25e6, held: 1109.25e6, after: func(s *soc) { s.hot(gv11b, "max_freq", 624750000) },
			then: host.Held{Clock: 624.75e6, Low: 114.75e6, High: 624.75e6}},
		"a cluster that is hot": {tree: unpinned(), processor: "cpu", clock: 1.9072e9, held: 1.9072e9, after: func(s *soc) { s.hot(policy2, "scaling_max_freq", 1190400) },
			then: host.Held{Clock: 1.1904e9, Low: 115.2e6, High: 1.1904e9}},
		"moved back": {tree: unpinned(), processor: "cpu", clock: 1.9072e9, held: 1.9072e9, after: func(s *soc) { s.put(policy2+"scaling_governor", "schedutil") },
			then: host.Held{Low: 115.2e6, High: 1.9072e9}},
		"a GPU that is moved": {tree: unpinned(), processor: "gpu", clock: 803.25e6, held: 803.25e6, after: func(s *soc) { s.put(gv11b+"max_freq", "1109250000") },
			then: host.Held{Low: 114.75e6, High: 1109.25e6}},
		"refused": {tree: unpinned(), processor: "cpu", clock: 729.6e6, prepare: func(s *soc) { s.broken["scaling_"] = fs.ErrPermission }, err: "policy0: write /" + policy0 + "scaling_min_freq: permission denied",
			then: host.Held{Low: 115.2e6, High: 1.9072e9}},
		"half refused": {tree: unpinned(), processor: "cpu", clock: 729.6e6, prepare: func(s *soc) { s.broken["policy2/"] = errors.New("input/output error") }, err: "policy2: write /" + policy2,
			then: host.Held{Low: 115.2e6, High: 1.9072e9}},
		"lost on the way": {tree: unpinned(), processor: "cpu", clock: 729.6e6, held: 729.6e6, after: func(s *soc) { s.broken["policy0/scaling_governor"] = errors.New("input/output error") },
			then: host.Held{Clock: 729.6e6, Low: 115.2e6, High: 1.9072e9}, unrestored: "schedutil cannot be put back into /" + policy0 + "scaling_governor"},
		"no such processor":  {tree: unpinned(), processor: "npu", clock: 1e9, err: "the system tells no clock of processor npu"},
		"no GPU":             {tree: raspberryPi4(), processor: "gpu", clock: 5e8, err: "the system tells no clock of processor gpu"},
		"no clock":           {tree: unpinned(), processor: "cpu", err: "is not positive", then: host.Held{Low: 115.2e6, High: 1.9072e9}},
		"below the hardware": {tree: raspberryPi4(), processor: "cpu", clock: 1e8, held: 6e8, then: host.Held{Clock: 6e8, Low: 6e8, High: 1.5e9}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSoc(c.tree)
			if c.plain {
				for _, dir := range []string{policy0, policy2} {
					delete(s.tree, dir+"scaling_setspeed")
				}
			}
			if c.prepare != nil {
				c.prepare(s)
			}
			before := host.ReadState(s.tree)
			g := host.NewGovernor(s.tree, s)
			held, err := g.Set(c.processor, c.clock)
			if held != c.held || (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("held %v, error %v, want %v and %q", held, err, c.held, c.err)
			}
			if c.after != nil {
				c.after(s)
			}
			if got := g.Read(c.processor); got != c.then {
				t.Errorf("then %+v, want %+v", got, c.then)
			}
			err = g.Restore()
			if (err != nil) != (c.unrestored != "") || err != nil && !strings.Contains(err.Error(), c.unrestored) {
				t.Errorf("restoring: %v, want %q", err, c.unrestored)
			}
			if c.after == nil {
				if diff := cmp.Diff(before, host.ReadState(s.tree)); diff != "" {
					t.Errorf("not restored:\n%s", diff)
				}
			}
			n := len(s.writes)
			if err := g.Restore(); err != nil || len(s.writes) != n {
				t.Errorf("restored twice: %v, %q", err, s.writes[n:])
			}
		})
	}
}

// Clusters that cannot run as fast as is asked for run as fast as they can, and that is what was asked for.
func TestGovernorOfUnequalClusters(t *testing.T) {
	for _, plain := range []bool{false, true} {
		m := map[string]string{}
		policy(m, 0, "0 1 2 3", "cpufreq-dt", "schedutil", [5]int{408000, 408000, 1800000, 408000, 1800000})
		policy(m, 4, "4 5", "cpufreq-dt", "schedutil", [5]int{408000, 408000, 2400000, 408000, 2400000})
		s := newSoc(tree(m))
		if plain {
			for _, dir := range []string{policy0, "sys/devices/system/cpu/cpufreq/policy4/"} {
				delete(s.tree, dir+"scaling_setspeed")
			}
		}
		g := host.NewGovernor(s.tree, s)
		if got, want := g.Read("cpu"), (host.Held{Low: 408e6, High: 2.4e9}); got != want {
			t.Errorf("before: %+v", got)
		}
		for _, clock := range []unit.Hertz{2.4e9, 1.2e9, 2.016e9, 408e6, 1.8e9} {
			if held, err := g.Set("cpu", clock); err != nil || held != clock {
				t.Errorf("asked for %v: %v, %v", clock, held, err)
			}
			if got := g.Read("cpu"); got != (host.Held{Clock: clock, Low: 408e6, High: 2.4e9}) {
				t.Errorf("asked for %v: %+v", clock, got)
			}
		}
		if err := g.Restore(); err != nil {
			t.Error(err)
		}
	}
}

// A clock costs one write of each cluster under the governor userspace, and nothing is written that stands there.
func TestGovernorWritesLittle(t *testing.T) {
	s := newSoc(unpinned())
	g := host.NewGovernor(s.tree, s)
	if g.Read("cpu"); len(s.writes) > 0 {
		t.Errorf("reading has written %q", s.writes)
	}
	for _, clock := range []unit.Hertz{1.9072e9, 729.6e6} {
		if _, err := g.Set("cpu", clock); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"policy0/scaling_governor=userspace", "policy0/scaling_setspeed=1907200", "policy2/scaling_governor=userspace", "policy2/scaling_setspeed=1907200",
		"policy0/scaling_setspeed=729600", "policy2/scaling_setspeed=729600"}
	if diff := cmp.Diff(want, s.writes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	s.put(policy0+"scaling_governor", "performance") // somebody took over: it is taken back, and put back in the end to what was there at first
	if held, err := g.Set("cpu", 1.1904e9); err != nil || held != 1.1904e9 {
		t.Errorf("%v, %v", held, err)
	}
	if err := g.Restore(); err != nil || host.ReadState(s.tree).Policies[0].Governor != "schedutil" {
		t.Errorf("%v, %+v", err, host.ReadState(s.tree).Policies[0])
	}
}

// Who found userspace leaves it, at the clock that it had.
func TestGovernorUnderUserspace(t *testing.T) {
	s := newSoc(unpinned())
	for _, dir := range []string{policy0, policy2} {
		s.put(dir+"scaling_governor", "userspace")
		s.put(dir+"scaling_setspeed", "960000")
	}
	g := host.NewGovernor(s.tree, s)
	if held, err := g.Set("cpu", 1.9072e9); err != nil || held != 1.9072e9 {
		t.Errorf("%v, %v", held, err)
	}
	if err := g.Restore(); err != nil {
		t.Error(err)
	}
	if n, _ := s.get(policy0 + "scaling_setspeed"); n != 960000 || host.ReadState(s.tree).Policies[0].Governor != "userspace" {
		t.Errorf("%d kHz under %s", n, host.ReadState(s.tree).Policies[0].Governor)
	}
}

// A power mode that changes meanwhile finds its own limits, and clocks go on within those that it sets.
func TestGovernorAroundAPowerMode(t *testing.T) {
	s := newSoc(unpinned())
	g := host.NewGovernor(s.tree, s)
	for _, p := range []struct {
		processor string
		clock     unit.Hertz
	}{{"gpu", 1109.25e6}, {"cpu", 729.6e6}} {
		if held, err := g.Set(p.processor, p.clock); err != nil || held != p.clock {
			t.Fatalf("%v, %v", held, err)
		}
	}
	before := g.Read("gpu")
	err := g.Around(func() error {
		for file, want := range map[string]string{gv11b + "min_freq": "114750000", gv11b + "max_freq": "1109250000", policy0 + "scaling_governor": "schedutil"} {
			if got := strings.TrimSpace(string(s.tree[file].Data)); got != want {
				t.Errorf("%s is %s, want %s", file, got, want)
			}
		}
		if held, err := g.Set("gpu", 1e9); err == nil || held != 0 || !strings.Contains(err.Error(), "power mode is being changed") {
			t.Errorf("meanwhile %v, %v", held, err)
		}
		if h := g.Read("gpu"); h != before {
			t.Errorf("meanwhile %+v, want %+v", h, before)
		}
		s.put(gv11b+"max_freq", "803250000")
		s.put(policy0+"scaling_max_freq", "1190400")
		s.put(policy2+"scaling_max_freq", "1190400")
		return errors.New("something went wrong")
	})
	if err == nil || err.Error() != "something went wrong" {
		t.Errorf("error %v", err)
	}
	if got, want := g.Read("gpu"), (host.Held{Clock: 803.25e6, Low: 114.75e6, High: 803.25e6}); got != want {
		t.Errorf("then %+v, want %+v", got, want)
	}
	if got, want := g.Read("cpu"), (host.Held{Clock: 729.6e6, Low: 115.2e6, High: 1190.4e6}); got != want {
		t.Errorf("then %+v, want %+v", got, want)
	}
	if err := g.Restore(); err != nil {
		t.Error(err)
	}
	if n, _ := s.get(gv11b + "max_freq"); n != 803250000 { // the mode's
		t.Errorf("the highest clock is %d in the end", n)
	}
}

// What is to be put back is told before it is changed, so that another process can do it for one that was killed.
func TestGovernorSaysWhatToPutBack(t *testing.T) {
	for _, plain := range []bool{false, true} {
		s := newSoc(unpinned())
		if plain {
			s.broken["scaling_governor"] = fs.ErrPermission
		}
		before := host.ReadState(s.tree)
		g := host.NewGovernor(s.tree, s)
		var saved []host.Content
		g.Save = func(files []host.Content) {
			if len(files) > 0 {
				for _, f := range files[len(saved):] {
					if got := strings.TrimSpace(string(s.tree[f.Name].Data)); got != f.Text {
						t.Errorf("%s was %s, and is %s when it is told", f.Name, f.Text, got)
					}
				}
			}
			saved = files
		}
		for _, clock := range []unit.Hertz{1.9072e9, 729.6e6} {
			if _, err := g.Set("cpu", clock); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := g.Set("gpu", 803.25e6); err != nil {
			t.Fatal(err)
		}
		if len(saved) != 6 { // two files of two policies and of a GPU
			t.Errorf("to be put back: %+v", saved)
		}
		if err := host.PutBack(s.tree, s, saved); err != nil { // by another process
			t.Error(err)
		}
		if diff := cmp.Diff(before, host.ReadState(s.tree)); diff != "" {
			t.Errorf("not put back:\n%s", diff)
		}
		if err := g.Restore(); err != nil || saved != nil {
			t.Errorf("%v, and is to be put back: %v", err, saved)
		}
	}
}

// What cannot be put back while the power mode changes is put back in the end, as it was found at first.
func TestGovernorThatCannotPutBackAtOnce(t *testing.T) {
	s := newSoc(unpinned())
	before := host.ReadState(s.tree)
	g := host.NewGovernor(s.tree, s)
	var saved []host.Content
	g.Save = func(files []host.Content) { saved = files }
	if _, err := g.Set("cpu", 729.6e6); err != nil {
		t.Fatal(err)
	}
	s.broken["policy0/scaling_governor"] = errors.New("input/output error")
	if err := g.Around(func() error { return nil }); err == nil || !strings.Contains(err.Error(), "schedutil cannot be put back") {
		t.Errorf("error %v", err)
	}
	if len(saved) == 0 || saved[0].Text != "schedutil" {
		t.Errorf("to be put back: %+v", saved)
	}
	if held, err := g.Set("cpu", 1.1904e9); err != nil || held != 1.1904e9 {
		t.Errorf("%v, %v", held, err)
	}
	clear(s.broken)
	if err := g.Restore(); err != nil || saved != nil {
		t.Errorf("%v, and is to be put back: %+v", err, saved)
	}
	if diff := cmp.Diff(before, host.ReadState(s.tree)); diff != "" {
		t.Errorf("not restored:\n%s", diff)
	}
}
