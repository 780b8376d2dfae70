package serve_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/deploy/runner/serve"
)

// good are valid requests that the mutations start from.
func good() []string {
	return []string{
		tensorJSON(4, 2, `,"outputs":[{"name":"class"},{"name":"logits","parameters":{"binary_data":true}}]`),
		`{"id":"x","parameters":{"timeout":1000000},"inputs":[{"name":"input","datatype":"FP32","shape":[3,1,1],"data":[[[5]],[[0.5]],[[-1e-3]]]}]}`,
		`{"inputs":[{"name":"image","datatype":"UINT8","shape":[2,2,3],"data":[1,2,3,4,5,6,7,8,9,10,11,12]}]}`,
		`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"]}]}`,
	}
}

// mutate changes a request. broken says that nothing that comes out is a request any more.
func mutate(rng *rand.Rand, s string) (body string, broken bool) {
	b := []byte(s)
	switch rng.IntN(6) {
	case 0: // cut off
		return string(b[:rng.IntN(len(b))]), true
	case 1: // bytes that no JSON holds outside of texts
		return s + string(rune('a'+rng.IntN(26))), true
	case 2: // flipped bits
		for range 1 + rng.IntN(4) {
			b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
		}
	case 3: // a piece repeated
		i := rng.IntN(len(b))
		j := i + rng.IntN(len(b)-i)
		return string(b[:j]) + string(b[i:]), false
	case 4: // a piece taken out
		i := rng.IntN(len(b))
		j := i + rng.IntN(min(len(b)-i, 20))
		return string(b[:i]) + string(b[j:]), false
	case 5: // another number
		i := rng.IntN(len(b))
		for k := range b {
			if at := (i + k) % len(b); b[at] >= '0' && b[at] <= '9' {
				numbers := []string{"-1", "0", "1e309", "9223372036854775808", "4294967296", "null", "[]", "0.5", `"1"`}
				return string(b[:at]) + numbers[rng.IntN(len(numbers))] + string(b[at+1:]), false
			}
		}
	}
	return string(b), false
}

// TestTenThousandHostileRequests sends mutated requests over real connections. None may crash the server,
// get a wrong code, or leave a goroutine or memory behind.
func TestTenThousandHostileRequests(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n = 1000
	}
	fx := start(t, func(c *serve.Config) { c.MaxBody = 1 << 20 })
	rng := rand.New(rand.NewPCG(1, 2))
	corpus := append(good(), malformed...)
	for i, body := range corpus[:len(good())] {
		if status, _, answer := fx.do(t, "POST", inferPath, body); status != 200 {
			t.Fatalf("good request %d: %d %s", i, status, answer)
		}
	}
	measure := func() (goroutines int, heap uint64) {
		http.DefaultClient.CloseIdleConnections()
		for range 100 { // until connections are gone
			if goroutines = runtime.NumGoroutine(); goroutines < 12 {
				break
			}
			time.Sleep(20 * time.Millisecond)
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return goroutines, m.HeapAlloc
	}
	before, heapBefore := measure()
	codes := map[int]int{}
	for i := range n {
		at := rng.IntN(len(corpus) - 1) // the last is only long
		body, broken := mutate(rng, corpus[at]+" ")
		broken = broken && at < len(good())
		var header []string
		switch rng.IntN(8) {
		case 0:
			header = []string{"Inference-Header-Content-Length", []string{"-1", "0", "7", "99999999999999999999", "1e3"}[rng.IntN(5)]}
		case 1:
			header = []string{"traceparent", []string{"00-x", strings.Repeat("0", 55), "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}[rng.IntN(3)]}
		}
		status, _, answer := fx.do(t, "POST", inferPath, body, header...)
		codes[status]++
		switch {
		case status != 200 && status != 400:
			t.Fatalf("request %d: %d %s for %.300q", i, status, answer, body)
		case broken && status == 200:
			t.Errorf("request %d is broken and answered: %.300q", i, body)
		case status == 400 && !json.Valid([]byte(answer)):
			t.Errorf("request %d: the error is no JSON: %.300q", i, answer)
		}
	}
	addr := strings.TrimPrefix(fx.url, "http://")
	for i := range n / 20 {
		raw := make([]byte, rng.IntN(400))
		for j := range raw {
			raw[j] = byte(rng.Uint32())
		}
		if i%2 == 0 {
			raw = append([]byte("POST "+inferPath+" HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"), raw...)
		}
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write(append(raw, "\r\n\r\n"...)) // the server may have closed already
		_ = c.(*net.TCPConn).CloseWrite()
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		answer, err := io.ReadAll(c)
		if err == nil && len(answer) > 0 {
			resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
			if err != nil || resp.StatusCode < 400 || resp.StatusCode >= 500 && resp.StatusCode != 501 && resp.StatusCode != 505 {
				t.Errorf("raw bytes %q: %.100q, %v", raw, answer, err)
			}
		}
		_ = c.Close()
	}
	if status, _, answer := fx.do(t, "POST", inferPath, good()[0]); status != 200 {
		t.Errorf("a good one afterwards: %d %s", status, answer)
	}
	after, heapAfter := measure()
	t.Logf("codes %v; goroutines %d before, %d after; heap %d KiB before, %d KiB after", codes, before, after, heapBefore>>10, heapAfter>>10)
	if after > before+2 {
		t.Errorf("%d goroutines became %d", before, after)
	}
	if heapAfter > heapBefore+8<<20 {
		t.Errorf("the heap grew from %d to %d bytes", heapBefore, heapAfter)
	}
}

func FuzzInfer(f *testing.F) {
	for _, body := range append(good(), malformed...) {
		f.Add([]byte(body), "")
		f.Add([]byte(body), "10")
	}
	f.Fuzz(func(t *testing.T, body []byte, length string) {
		q, err := serve.ParseInfer(body, length)
		if (q == nil) == (err == nil) {
			t.Errorf("request %v, error %v", q, err)
		}
	})
}
