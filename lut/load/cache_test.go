package load

import (
	"testing"
	"testing/fstest"
)

func TestDefaultBytes(t *testing.T) {
	tree := func(sizes ...string) fstest.MapFS {
		m := fstest.MapFS{}
		for i, s := range sizes {
			m["sys/devices/system/cpu/cpu0/cache/index"+string(rune('0'+i))+"/size"] = &fstest.MapFile{Data: []byte(s)}
		}
		return m
	}
	for _, c := range []struct {
		name string
		tree fstest.MapFS
		want int64
	}{
		{"nothing known", tree(), 64 << 20},
		{"1 MiB, as on a Raspberry Pi 4", tree("32K\n", "48K\n", "1024K\n"), 64 << 20},
		{"32 MiB, as on a desktop", tree("48K\n", "32K\n", "1280K\n", "32768K\n"), 128 << 20},
		{"480 MiB, as in a rented machine", tree("48K", "32K", "2048K", "491520K"), 256 << 20},
		{"nonsense", tree("", "-1K", "K", "99999999999999K", "12M"), 64 << 20},
	} {
		if got := defaultBytes(c.tree); got != c.want {
			t.Errorf("%s: %d bytes, want %d", c.name, got, c.want)
		}
	}
}
