package serve

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"time"
)

// Names of the tensors.
const (
	inputImage   = "image"
	inputTensor  = "input"
	outputClass  = "class"
	outputLogits = "logits"
)

// headerLength is the binary extension's header: how many bytes of the body are JSON.
const headerLength = "Inference-Header-Content-Length"

// httpError is an error with the status that it is answered with.
type httpError struct {
	status int
	err    error
}

func (e *httpError) Error() string { return e.err.Error() }
func (e *httpError) Unwrap() error { return e.err }

func badRequest(format string, args ...any) error {
	return &httpError{http.StatusBadRequest, fmt.Errorf(format, args...)}
}

// inferRequest is a request for inference.
type inferRequest struct {
	ID         string     `json:"id"`
	Parameters parameters `json:"parameters"`
	Inputs     []tensor   `json:"inputs"`
	Outputs    []struct {
		Name       string     `json:"name"`
		Parameters parameters `json:"parameters"`
	} `json:"outputs"`

	picture  *picture
	deadline time.Duration
}

// wants tells which outputs are asked for, and which of those in binary.
func (q *inferRequest) wants(name string) (wanted, inBinary bool) {
	all := q.Parameters.yes("binary_data_output")
	if len(q.Outputs) == 0 {
		return true, all
	}
	for _, o := range q.Outputs {
		if o.Name == name {
			if _, ok := o.Parameters["binary_data"]; ok {
				return true, o.Parameters.yes("binary_data")
			}
			return true, all
		}
	}
	return false, false
}

// readInfer reads and checks a request. Before its picture is decoded, room is asked whether there is any for so many bytes.
func readInfer(r *http.Request, maxBody int64, room func(bytes int64) error) (*inferRequest, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, badRequest("the body cannot be read: %w", err)
	}
	if int64(len(body)) > maxBody {
		return nil, &httpError{http.StatusRequestEntityTooLarge, fmt.Errorf("the body has more than %d bytes", maxBody)}
	}
	return parseInfer(body, r.Header.Get(headerLength), room)
}

// parseInfer reads a body; length is the value of the binary extension's header, "" without.
func parseInfer(body []byte, length string, room func(bytes int64) error) (*inferRequest, error) {
	head, rest := body, []byte(nil)
	if length != "" {
		n, err := strconv.ParseUint(length, 10, 31)
		if err != nil || n > uint64(len(body)) {
			return nil, badRequest("%s %.40q does not fit a body of %d bytes", headerLength, length, len(body))
		}
		head, rest = body[:n], body[n:]
	}
	var q inferRequest
	d := json.NewDecoder(bytes.NewReader(head))
	if err := d.Decode(&q); err != nil {
		return nil, badRequest("byte %d: %w", d.InputOffset(), err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, badRequest("byte %d: something follows the request", d.InputOffset())
	}
	if len(q.Inputs) != 1 {
		return nil, badRequest("%d inputs, want one", len(q.Inputs))
	}
	for _, o := range q.Outputs {
		if o.Name != outputClass && o.Name != outputLogits {
			return nil, badRequest("there is no output %.80q", o.Name)
		}
	}
	timeout, ok, err := q.Parameters.integer("timeout")
	if err != nil || ok && (timeout < 1 || timeout > int64(time.Hour/time.Microsecond)) {
		return nil, badRequest("the timeout is no number of microseconds between 1 and an hour")
	}
	q.deadline = time.Duration(timeout) * time.Microsecond
	in := &q.Inputs[0]
	size, ok, err := in.Parameters.integer("binary_data_size")
	switch {
	case err != nil:
		return nil, badRequest("input %.80q: %w", in.Name, err)
	case ok && (size != int64(len(rest)) || len(in.Data) > 0):
		return nil, badRequest("input %.80q: binary_data_size %d, but %d bytes follow the JSON", in.Name, size, len(rest))
	case !ok && len(rest) > 0:
		return nil, badRequest("%d bytes follow the JSON, which no input claims", len(rest))
	case ok:
		in.binary = append([]byte{}, rest...) // not nil
	}
	in.room = room
	var unavailable *httpError
	if q.picture, err = in.decode(); errors.As(err, &unavailable) {
		return nil, err
	} else if err != nil {
		return nil, badRequest("%w", err)
	}
	return &q, nil
}

// outputTensor is an output of a response.
type outputTensor struct {
	Name       string         `json:"name"`
	Datatype   string         `json:"datatype"`
	Shape      []int          `json:"shape"`
	Parameters map[string]any `json:"parameters,omitempty"`
	Data       any            `json:"data,omitempty"`
}

// inferResponse is the answer.
type inferResponse struct {
	ModelName    string         `json:"model_name"`
	ModelVersion string         `json:"model_version"`
	ID           string         `json:"id,omitempty"`
	Parameters   map[string]any `json:"parameters"`
	Outputs      []outputTensor `json:"outputs"`
}

// write sends an answer, its tensors in JSON or behind it.
func (a *inferResponse) write(w http.ResponseWriter, q *inferRequest, class int, logits []float32) error {
	var tail []byte
	add := func(name, datatype string, shape []int, data any, encode func() []byte) {
		wanted, inBinary := q.wants(name)
		if !wanted {
			return
		}
		t := outputTensor{Name: name, Datatype: datatype, Shape: shape, Data: data}
		if inBinary {
			b := encode()
			t.Data, t.Parameters = nil, map[string]any{"binary_data_size": len(b)}
			tail = append(tail, b...)
		}
		a.Outputs = append(a.Outputs, t)
	}
	add(outputClass, "INT64", []int{1}, []int{class}, func() []byte { return binary.LittleEndian.AppendUint64(nil, uint64(class)) })
	add(outputLogits, "FP32", []int{1, len(logits)}, logits, func() []byte {
		b := make([]byte, 0, 4*len(logits))
		for _, v := range logits {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
		return b
	})
	head, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if tail == nil {
		w.Header().Set("Content-Type", "application/json")
		_, err = w.Write(head)
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set(headerLength, strconv.Itoa(len(head)))
	_, err = w.Write(append(head, tail...))
	return err
}

// metadata describes the model as the protocol has it.
type metadata struct {
	Name     string   `json:"name"`
	Versions []string `json:"versions"`
	Platform string   `json:"platform"`
	Inputs   []shaped `json:"inputs"`
	Outputs  []shaped `json:"outputs"`
}

type shaped struct {
	Name     string `json:"name"`
	Datatype string `json:"datatype"`
	Shape    []int  `json:"shape"`
}
