package serve_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/deploy/runner/serve"
)

func TestInferJSON(t *testing.T) {
	fx := start(t, nil)
	status, header, body := fx.do(t, "POST", "/v2/models/tiny/versions/7/infer", tensorJSON(48, 3, ""), "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	r := parse(t, body)
	if status != 200 || r.Model != "tiny" || r.Version != "7" || r.ID != "a" || len(r.Outputs) != 2 {
		t.Fatalf("%d %s", status, body)
	}
	if o := r.Outputs[0]; o.Name != "class" || o.Datatype != "INT64" || !slices.Equal(o.Data, []float64{3}) {
		t.Errorf("class %+v", o)
	}
	if o := r.Outputs[1]; o.Name != "logits" || o.Datatype != "FP32" || !slices.Equal(o.Shape, []int{1, 10}) || o.Data[3] != 2.5 {
		t.Errorf("logits %+v", o)
	}
	p := r.Parameters
	if p["level"] != 1. || p["accuracy"] != 0.75 || p["predicted_latency_ns"] != 2e6 || p["outcome"] != "on-time" || !(p["observed_latency_ns"].(float64) > 0) {
		t.Errorf("parameters %v", p)
	}
	if trace := header.Get("traceparent"); !strings.HasPrefix(trace, "00-0af7651916cd43dd8448eb211c80319c-") || strings.Contains(trace, "b7ad6b7169203331") {
		t.Errorf("traceparent %q", trace)
	}
	// Nested data is the same; an output that is not asked for is not sent.
	one := `{"inputs":[{"name":"input","datatype":"FP32","shape":[3,1,1],"data":[[[5]],[[ 0.5 ]],[[-1e-3]]]}],"outputs":[{"name":"class"}]}`
	status, _, body = fx.do(t, "POST", inferPath, one)
	if r := parse(t, body); status != 200 || len(r.Outputs) != 1 || r.Outputs[0].Data[0] != 5 {
		t.Errorf("%d %s", status, body)
	}
	in := fx.networks[1].seen // a constant plane stays constant at another resolution
	if in[0] != 5 || in[48*48-1] != 5 || in[48*48] != 0.5 || in[3*48*48-1] != -1e-3 {
		t.Errorf("resampled to %v, %v, %v", in[0], in[48*48], in[3*48*48-1])
	}
}

func TestInferBinary(t *testing.T) {
	fx := start(t, nil)
	const r = 48
	var tail []byte
	for i := range 3 * r * r {
		v := float32(0)
		if i == 0 {
			v = 7
		}
		tail = binary.LittleEndian.AppendUint32(tail, math.Float32bits(v))
	}
	head := fmt.Sprintf(`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,48,48],"parameters":{"binary_data_size":%d}}],"parameters":{"binary_data_output":true},"outputs":[{"name":"logits"},{"name":"class","parameters":{"binary_data":false}}]}`, len(tail))
	status, header, body := fx.do(t, "POST", inferPath, head+string(tail), "Inference-Header-Content-Length", strconv.Itoa(len(head)))
	n, err := strconv.Atoi(header.Get("Inference-Header-Content-Length"))
	if status != 200 || err != nil {
		t.Fatalf("%d %v %s", status, err, body)
	}
	a := parse(t, body[:n])
	logits := []byte(body[n:])
	if len(a.Outputs) != 2 || a.Outputs[0].Data[0] != 7 || a.Outputs[1].Parameters["binary_data_size"] != 40. || len(logits) != 40 {
		t.Fatalf("%s and %d bytes", body[:n], len(logits))
	}
	if got := math.Float32frombits(binary.LittleEndian.Uint32(logits[4*7:])); got != 2.5 {
		t.Errorf("logit 7 is %g", got)
	}
}

// A picture reaches the network as the preprocessing makes it, whichever way it was sent.
func TestInferPicture(t *testing.T) {
	fx := start(t, nil)
	img, err := images.Pattern(1, 2, 60)
	if err != nil {
		t.Fatal(err)
	}
	pre, err := images.NewPreprocessor(images.Preprocess{Resolution: 48})
	if err != nil {
		t.Fatal(err)
	}
	want := make([]float32, pre.Len())
	if err := pre.Into(want, img); err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := png.Encode(&file, img); err != nil {
		t.Fatal(err)
	}
	var pixels []byte
	var numbers []string
	for i := 0; i < len(img.Pix); i += 4 {
		pixels = append(pixels, img.Pix[i:i+3]...)
	}
	for _, p := range pixels {
		numbers = append(numbers, strconv.Itoa(int(p)))
	}
	size := img.Bounds().Dx()
	withLength := string(binary.LittleEndian.AppendUint32(nil, uint32(file.Len()))) + file.String()
	for name, c := range map[string]struct{ head, tail string }{
		"PNG in base64":    {fmt.Sprintf(`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["%s"]}]}`, base64.StdEncoding.EncodeToString(file.Bytes())), ""},
		"PNG in binary":    {fmt.Sprintf(`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1,1],"parameters":{"binary_data_size":%d}}]}`, len(withLength)), withLength},
		"pixels in JSON":   {fmt.Sprintf(`{"inputs":[{"name":"image","datatype":"UINT8","shape":[%d,%d,3],"data":[%s]}]}`, size, size, strings.Join(numbers, ",")), ""},
		"pixels in binary": {fmt.Sprintf(`{"inputs":[{"name":"image","datatype":"UINT8","shape":[1,%d,%d,3],"parameters":{"binary_data_size":%d}}]}`, size, size, len(pixels)), string(pixels)},
	} {
		header := []string{}
		if c.tail != "" {
			header = []string{"Inference-Header-Content-Length", strconv.Itoa(len(c.head))}
		}
		if status, _, body := fx.do(t, "POST", inferPath, c.head+c.tail, header...); status != 200 {
			t.Errorf("%s: %d %s", name, status, body)
		}
		if !slices.Equal(fx.networks[1].seen, want) {
			t.Errorf("%s: the network saw something else", name)
		}
	}
}

// malformed are requests that must be refused with 400.
var malformed = []string{
	``, `{`, `[]`, `null`, `{"inputs":[]}`, `{"inputs":{}}`, `{"inputs":[{}]}`, `{"inputs":[{},{}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,2,2],"data":[1,2]}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":[1,2,3,4]}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[2,3,1,1],"data":[1,2,3,4,5,6]}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":[1,"2",3]}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":[1,null,3]}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":[1,1e999,3]}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":"1,2,3"}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1]}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,-1,-1],"data":[]}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[3,9223372036854775807,9223372036854775807],"data":[1]}]}`,
	`{"inputs":[{"name":"input","datatype":"FP64","shape":[1,3,1,1],"data":[1,2,3]}]}`,
	`{"inputs":[{"name":"x","datatype":"FP32","shape":[1,3,1,1],"data":[1,2,3]}]}`,
	`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["not base64!"]}]}`,
	`{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["aGVsbG8="]}]}`,
	`{"inputs":[{"name":"image","datatype":"BYTES","shape":[2],"data":["aGVsbG8=","aGVsbG8="]}]}`,
	`{"inputs":[{"name":"image","datatype":"UINT8","shape":[1,1,3],"data":[1,2,256]}]}`,
	`{"inputs":[{"name":"image","datatype":"UINT8","shape":[1,1,3],"data":[1,2,-1]}]}`,
	`{"inputs":[{"name":"image","datatype":"UINT8","shape":[99999,99999,3],"data":[1]}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":[1,2,3],"parameters":{"binary_data_size":12}}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":[1,2,3]}],"outputs":[{"name":"x"}]}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":[1,2,3]}],"parameters":{"timeout":-1}}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":[1,2,3]}],"parameters":{"timeout":"soon"}}`,
	`{"inputs":[{"name":"input","datatype":"FP32","shape":[1,3,1,1],"data":[1,2,3]}]} {}`,
	strings.Repeat(`[`, 20000),
}

func TestMalformedRequests(t *testing.T) {
	fx := start(t, func(c *serve.Config) { c.MaxBody = 1 << 20 })
	for _, body := range malformed {
		status, _, answer := fx.do(t, "POST", inferPath, body)
		if r := parse(t, answer); status != 400 || r.Error == "" {
			t.Errorf("%.100s: %d %s", body, status, answer)
		}
	}
	good := tensorJSON(48, 1, "")
	for _, length := range []string{"-1", "x", "99999999", "10", strconv.Itoa(len(good) - 1), "9223372036854775807"} {
		if status, _, answer := fx.do(t, "POST", inferPath, good, "Inference-Header-Content-Length", length); status != 400 {
			t.Errorf("header length %s: %d %s", length, status, answer)
		}
	}
	if status, _, answer := fx.do(t, "POST", inferPath, strings.Repeat(" ", 1<<20+1)); status != 413 {
		t.Errorf("too large: %d %s", status, answer)
	}
	for _, c := range []struct {
		method, path string
		status       int
	}{{"DELETE", inferPath, 405}, {"POST", "/metrics", 405}, {"POST", "/v2/models/other/infer", 404}, {"GET", "/etc/passwd", 404}, {"PUT", "/control", 415}} {
		if status, _, _ := fx.do(t, c.method, c.path, "{}"); status != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, status, c.status)
		}
	}
	if status, _, answer := fx.do(t, "POST", inferPath, good); status != 200 {
		t.Errorf("a good one afterwards: %d %s", status, answer)
	}
}

// TestPicturesTakeTurns: pictures that do not fit the memory for them at a time are answered one after the other, and one that never
// fits alone; who finds no room in time is told to come again.
func TestPicturesTakeTurns(t *testing.T) {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, 300, 300))); err != nil { // 0.3 MiB in memory, one at a time below
		t.Fatal(err)
	}
	body := `{"inputs":[{"name":"image","datatype":"BYTES","shape":[1],"data":["` + base64.StdEncoding.EncodeToString(b.Bytes()) + `"]}]}`
	ask := func(fx *fixture) (int, string) {
		resp, err := http.Post(fx.url+inferPath, "application/json", strings.NewReader(body))
		if err != nil {
			return 0, err.Error()
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, resp.Header.Get("Retry-After") + string(text)
	}
	fx := start(t, func(c *serve.Config) { c.MaxDecoded = 1 << 20 })
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() {
			if status, answer := ask(fx); status != http.StatusOK {
				t.Errorf("%d %s", status, answer)
			}
		})
	}
	group.Wait()
	late := start(t, func(c *serve.Config) { c.MaxDecoded, c.Timeout = 1<<20, 400*time.Millisecond })
	late.networks[1].takes = 800 * time.Millisecond
	first := make(chan struct{})
	go func() {
		defer close(first)
		ask(late)
	}()
	for late.server.Waiting() == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(100 * time.Millisecond) // the first has the room
	if status, answer := ask(late); status != http.StatusServiceUnavailable || !strings.HasPrefix(answer, "1{") || !strings.Contains(answer, "no room") {
		t.Errorf("without room: %d %s", status, answer)
	}
	<-first
}
