package serve

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/runner/monitor"
	"github.com/dynofa/dynofa/deploy/trace"
)

// Config is a server. Run and Name are required.
type Config struct {
	// Run is the run that answers. Inbox and Pictures are the server's, and Control if it is nil; Trace is written to
	// besides.
	Run     runner.Config
	Name    string // of the model, in URLs: letters, digits, dots, dashes and underscores
	Version string // of the model; default "1"
	Program string // name and version, for metadata and metrics

	MaxBody    int64         // bytes of a request; default 32 MiB
	MaxDecoded int64         // bytes of decoded pictures at a time, further ones wait, and a larger one until it is alone; default 512 MiB
	MaxAtOnce  int           // requests for inference at a time, others are refused; default 32
	Timeout    time.Duration // for reading a request, and again for answering it; default 30 s
	DrainAfter time.Duration // how long Serve waits for requests under way at its end; default 10 s
	// Monitor and Drift are what /metrics tells about the device and about drift; nil: nothing.
	Monitor *monitor.Monitor
	Drift   *monitor.Drift
	// State reads clocks and temperatures for the status page; nil: it shows none.
	State  func() host.State
	Logger *slog.Logger // nil: discard
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

// Server answers HTTP requests with a run. Make it with New, then call Serve once.
type Server struct {
	cfg     Config
	inbox   *runner.Inbox
	control *runner.Control
	stats   *stats
	codes   struct {
		mu sync.Mutex
		n  map[int]uint64
	}
	slots    chan struct{}
	room     *room
	makers   map[int]*images.Preprocessor // by resolution; only the run uses them, one at a time
	draining atomic.Bool
	began    time.Time
	mux      *http.ServeMux
}

// New returns a server. It returns an error for an unusable configuration.
func New(cfg Config) (*Server, error) {
	if cfg.Version == "" {
		cfg.Version = "1"
	}
	if cfg.MaxBody == 0 {
		cfg.MaxBody = 32 << 20
	}
	if cfg.MaxDecoded == 0 {
		cfg.MaxDecoded = 512 << 20
	}
	if cfg.MaxAtOnce == 0 {
		cfg.MaxAtOnce = 32
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.DrainAfter == 0 {
		cfg.DrainAfter = 10 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if !nameForm.MatchString(cfg.Name) || !nameForm.MatchString(cfg.Version) {
		return nil, fmt.Errorf("serve: model name %.120q or version %.120q: letters, digits, dots, dashes and underscores, please", cfg.Name, cfg.Version)
	}
	if cfg.MaxBody < 0 || cfg.MaxDecoded < 0 || cfg.MaxAtOnce < 0 || cfg.Timeout < 0 || cfg.DrainAfter < 0 {
		return nil, errors.New("serve: a limit is negative")
	}
	s := &Server{cfg: cfg, began: time.Now(), room: newRoom(cfg.MaxDecoded), slots: make(chan struct{}, cfg.MaxAtOnce), makers: map[int]*images.Preprocessor{}}
	s.codes.n = map[int]uint64{}
	run := &s.cfg.Run
	s.inbox = runner.NewInbox(cfg.MaxAtOnce, run.Clock)
	if s.control = run.Control; s.control == nil {
		s.control = runner.NewControl(run.Limit, run.Deadline, run.MinAccuracy)
	}
	run.Inbox, run.Control, run.Pictures = s.inbox, s.control, nil
	run.Logger = cfg.Logger
	if err := run.Validate(); err != nil {
		return nil, err
	}
	s.stats = &stats{next: run.Trace, outcomes: map[trace.Outcome]uint64{}, last: -1}
	run.Trace = s.stats
	for _, p := range run.Serving() {
		lane := laneStats{name: p.Name, session: p.Session, levels: make([]levelStats, len(run.Family.Levels)), last: -1}
		for i := range lane.levels {
			latency, _ := run.Family.Latency(i, p.Name)
			lane.levels[i].predictedByInference = latency.Latency.Duration()
		}
		s.stats.lanes = append(s.stats.lanes, lane)
	}
	for i, l := range run.Family.Levels {
		s.stats.accuracy = append(s.stats.accuracy, float64(l.Accuracy))
		if s.makers[l.Arch.R] == nil {
			m, err := images.NewPreprocessor(run.Transform.At(l.Arch.R))
			if err != nil {
				return nil, fmt.Errorf("serve: level %d: %w", i, err)
			}
			s.makers[l.Arch.R] = m
		}
	}
	s.routes()
	return s, nil
}

func (s *Server) routes() {
	s.mux = http.NewServeMux()
	model := "/v2/models/{model}"
	for _, prefix := range []string{model, model + "/versions/{version}"} {
		s.mux.HandleFunc("GET "+prefix, s.model(s.describe))
		s.mux.HandleFunc("GET "+prefix+"/ready", s.model(s.ready))
		s.mux.HandleFunc("POST "+prefix+"/infer", s.model(s.infer))
	}
	s.mux.HandleFunc("GET /v2", s.about)
	s.mux.HandleFunc("GET /v2/health/live", func(http.ResponseWriter, *http.Request) {})
	s.mux.HandleFunc("GET /v2/health/ready", s.ready)
	s.mux.HandleFunc("GET /metrics", s.metrics)
	s.mux.HandleFunc("GET /status.json", s.status)
	s.mux.HandleFunc("GET /control", s.showControl)
	s.mux.HandleFunc("PUT /control", s.setControl)
	s.mux.HandleFunc("GET /{$}", s.page)
}

// Control returns what changes the run's limits.
func (s *Server) Control() *runner.Control { return s.control }

// Waiting returns how many requests for inference are being answered.
func (s *Server) Waiting() int { return len(s.slots) }

// Serve answers connections of a listener until ctx ends, and then those requests that are under way. It
// returns the run's report. The listener is closed.
func (s *Server) Serve(ctx context.Context, l net.Listener) (*runner.Report, error) {
	server := &http.Server{
		Handler: s.Handler(l.Addr()), ReadHeaderTimeout: min(10*time.Second, s.cfg.Timeout), ReadTimeout: s.cfg.Timeout,
		WriteTimeout: 2 * s.cfg.Timeout, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
	var group sync.WaitGroup
	var report *runner.Report
	var runErr error
	ended := make(chan struct{})
	group.Go(func() {
		defer close(ended)
		// Not ctx: the run ends when its inbox is closed and empty.
		report, runErr = runner.Run(context.WithoutCancel(ctx), s.cfg.Run)
	})
	failed := make(chan error, 1)
	group.Go(func() { failed <- server.Serve(l) })
	var err error
	select {
	case <-ctx.Done():
	case <-ended: // the policy ended it, or it failed
	case err = <-failed:
	}
	s.draining.Store(true)
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.DrainAfter)
	defer cancel()
	if serr := server.Shutdown(drain); serr != nil {
		err = errors.Join(err, fmt.Errorf("serve: requests were still under way: %w", serr), server.Close())
	}
	s.inbox.Close()
	group.Wait()
	return report, errors.Join(err, runErr)
}

// Handler returns what answers requests on an address. Serve is what feeds it.
func (s *Server) Handler(addr net.Addr) http.Handler {
	local := loopback(addr)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := &counted{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			s.codes.mu.Lock()
			s.codes.n[c.status]++
			s.codes.mu.Unlock()
		}()
		id := traceID(r.Header.Get("traceparent"))
		if id != "" {
			var span [8]byte
			_, _ = rand.Read(span[:]) // never fails
			c.Header().Set("traceparent", "00-"+id+"-"+hex.EncodeToString(span[:])+"-01")
		}
		c.Header().Set("X-Content-Type-Options", "nosniff")
		if local && !loopbackHost(r.Host) {
			fail(c, &httpError{http.StatusForbidden, fmt.Errorf("this address answers for this machine only, not for the host %.100q", r.Host)})
			return
		}
		r.Body = http.MaxBytesReader(c, r.Body, s.cfg.MaxBody+1)
		s.mux.ServeHTTP(c, r)
		s.cfg.Logger.Debug("answered", "method", r.Method, "path", r.URL.Path, "status", c.status, "trace", id)
	})
}

// counted remembers the status of a response.
type counted struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (c *counted) WriteHeader(status int) {
	if !c.wrote {
		c.status, c.wrote = status, true
	}
	c.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// fail answers with an error, as the protocol has it.
func fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	var h *httpError
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		status = http.StatusRequestEntityTooLarge
	case errors.As(err, &h):
		status = h.status
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	text := err.Error()
	if len(text) > 1000 {
		text = strings.ToValidUTF8(text[:1000], "")
	}
	answer(w, status, map[string]string{"error": text})
}

// answer writes JSON.
func answer(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "the answer cannot be written", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(data) // who asked may have gone
}

// model checks the model's name and version before a handler.
func (s *Server) model(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		name, version := r.PathValue("model"), r.PathValue("version")
		if name != s.cfg.Name || version != "" && version != s.cfg.Version {
			fail(w, &httpError{http.StatusNotFound, fmt.Errorf("there is no model %.100q, version %.100q", name, version)})
			return
		}
		next(w, r)
	}
}

func (s *Server) about(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"name": "dynofa", "version": s.cfg.Program, "extensions": []string{"binary_tensor_data"}})
}

func (s *Server) describe(w http.ResponseWriter, _ *http.Request) {
	top := s.cfg.Run.Family.Levels[len(s.cfg.Run.Family.Levels)-1].Arch.R
	classes := s.classes()
	answer(w, http.StatusOK, metadata{
		Name: s.cfg.Name, Versions: []string{s.cfg.Version}, Platform: "onnxruntime_dynofa",
		Inputs:  []shaped{{inputImage, "BYTES", []int{1}}, {inputTensor, "FP32", []int{1, 3, top, top}}},
		Outputs: []shaped{{outputClass, "INT64", []int{1}}, {outputLogits, "FP32", []int{1, classes}}},
	})
}

// classes returns the number of logits.
func (s *Server) classes() int {
	for i := range s.cfg.Run.Family.Levels {
		for p := range s.stats.lanes {
			if session := s.stats.lanes[p].session(i); session != nil {
				return len(session.Output())
			}
		}
	}
	return -1
}

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if s.draining.Load() {
		fail(w, &httpError{http.StatusServiceUnavailable, errors.New("draining")})
	}
}

func (s *Server) showControl(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, s.control.Limits())
}

// setControl changes what a run is asked to keep. It wants the content type that a form of a web page
// cannot send.
func (s *Server) setControl(w http.ResponseWriter, r *http.Request) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		fail(w, &httpError{http.StatusUnsupportedMediaType, errors.New("the content type must be application/json")})
		return
	}
	limits, err := runner.ReadLimits(r.Body)
	if err == nil {
		err = s.control.Apply(limits)
	}
	switch {
	case errors.Is(err, runner.ErrPowerMode):
		fail(w, &httpError{http.StatusConflict, err})
		return
	case err != nil:
		fail(w, badRequest("%w", err))
		return
	}
	s.cfg.Logger.Info("limits changed", "limit", s.control.Limit(), "deadline", s.control.Deadline(), "min_accuracy", s.control.MinAccuracy(), "power_mode", s.control.PowerMode())
	s.showControl(w, r)
}
