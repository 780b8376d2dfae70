package traffic

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/dynofa/dynofa/datasets/unit"
)

// The shape of a file, for writing. Fields at their default are left out.
type (
	scenarioFile struct {
		Title        string                       `yaml:"title,omitempty"`
		Description  string                       `yaml:"description,omitempty"`
		Sources      []string                     `yaml:"sources,omitempty"`
		Family       string                       `yaml:"family,omitempty"`
		Processor    string                       `yaml:"processor,omitempty"`
		Processors   []string                     `yaml:"processors,omitempty,flow"`
		Board        string                       `yaml:"board,omitempty"`
		Mode         string                       `yaml:"mode,omitempty"`
		Governor     string                       `yaml:"governor,omitempty"`
		Arrivals     *arrivalsFile                `yaml:"arrivals,omitempty,flow"`
		Limit        string                       `yaml:"limit,omitempty"`
		Accuracy     string                       `yaml:"accuracy,omitempty"`
		InitialLevel int                          `yaml:"initial_level,omitempty"`
		Duration     string                       `yaml:"duration,omitempty"`
		Requests     int64                        `yaml:"requests,omitempty"`
		Seed         uint64                       `yaml:"seed,omitempty"`
		Apps         []appFile                    `yaml:"apps,omitempty"`
		Disturbances map[string][]stepFile        `yaml:"disturbances,omitempty"`
		CoRunners    []coRunnerFile               `yaml:"co_runners,omitempty"`
		Events       []eventFile                  `yaml:"events,omitempty"`
		Noise        *noiseFile                   `yaml:"noise,omitempty,flow"`
		SwitchTime   map[string]string            `yaml:"switch_time,omitempty"`
		Policies     map[string]map[string]string `yaml:"policies,omitempty"`
	}
	arrivalsFile struct {
		Kind    string         `yaml:"kind"`
		Period  string         `yaml:"period,omitempty"`
		Jitter  string         `yaml:"jitter,omitempty"`
		Rate    string         `yaml:"rate,omitempty"`
		CV2     float64        `yaml:"cv2,omitempty"`
		States  []stateFile    `yaml:"states,omitempty"`
		Rates   []rateFile     `yaml:"rates,omitempty"`
		Of      []arrivalsFile `yaml:"of,omitempty"`
		Think   string         `yaml:"think,omitempty"`
		Samples int            `yaml:"samples,omitempty"`
		File    string         `yaml:"file,omitempty"`
		Format  string         `yaml:"format,omitempty"`
		From    string         `yaml:"from,omitempty"`
		Speed   float64        `yaml:"speed,omitempty"`
		Class   string         `yaml:"class,omitempty"`
	}
	stateFile struct {
		Rate string `yaml:"rate"`
		Stay string `yaml:"stay"`
	}
	rateFile struct {
		At   string `yaml:"at"`
		Rate string `yaml:"rate"`
	}
	appFile struct {
		Name         string       `yaml:"name"`
		Family       string       `yaml:"family"`
		Processor    string       `yaml:"processor,omitempty"`
		Processors   []string     `yaml:"processors,omitempty,flow"`
		Arrivals     arrivalsFile `yaml:"arrivals,flow"`
		Limit        string       `yaml:"limit,omitempty"`
		Accuracy     string       `yaml:"accuracy,omitempty"`
		InitialLevel int          `yaml:"initial_level,omitempty"`
	}
	coRunnerFile struct {
		Processor string    `yaml:"processor"`
		On        string    `yaml:"on"`
		Off       string    `yaml:"off"`
		Slowdown  []float64 `yaml:"slowdown,flow"`
	}
	eventFile struct {
		At        string `yaml:"at"`
		Kind      string `yaml:"kind"`
		Processor string `yaml:"processor,omitempty"`
		App       string `yaml:"app,omitempty"`
		Sensor    string `yaml:"sensor,omitempty"`
		To        string `yaml:"to"`
		What      string `yaml:"what,omitempty"`
	}
	stepFile struct {
		At       string  `yaml:"at"`
		Slowdown float64 `yaml:"slowdown"`
		What     string  `yaml:"what,omitempty"`
	}
	noiseFile struct { // a valid scenario's numbers are 0 only where they have no meaning, or are 0 by default
		Kind      string  `yaml:"kind"`
		Sigma     float64 `yaml:"sigma,omitempty"`
		Mu        float64 `yaml:"mu,omitempty"`
		Threshold float64 `yaml:"threshold,omitempty"`
		Enter     float64 `yaml:"enter,omitempty"`
		Stay      float64 `yaml:"stay,omitempty"`
		Scale     float64 `yaml:"scale,omitempty"`
		Shape     float64 `yaml:"shape,omitempty"`
		Persist   float64 `yaml:"persist,omitempty"`
	}
)

// Marshal returns the scenario as a file that Parse reads back to the same scenario, its Name aside, which is
// the file's. Equal scenarios give equal bytes. It returns Validate's error if the scenario is invalid.
func (s *Scenario) Marshal() ([]byte, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	f := scenarioFile{
		Title: s.Title, Description: s.Description, Sources: s.Sources, Family: s.Family, Processor: s.Processor,
		Processors: s.Processors, Board: s.Board, Mode: s.Mode, Governor: s.Governor,
		Limit: durationText(s.Limit), Accuracy: accuracyText(s.Accuracy), InitialLevel: s.InitialLevel, Duration: durationText(s.Duration), Requests: s.Requests, Seed: s.Seed,
		Policies: s.Policies,
	}
	if len(s.Processors) > 0 {
		f.Processor = ""
	}
	if s.Arrivals != nil {
		arrivals := s.Arrivals.file()
		f.Arrivals = &arrivals
	}
	for _, a := range s.Apps {
		f.Apps = append(f.Apps, a.file())
	}
	for _, c := range s.CoRunners {
		f.CoRunners = append(f.CoRunners, coRunnerFile{c.Processor, c.On.String(), c.Off.String(), c.Slowdowns})
	}
	for i := range s.Events {
		f.Events = append(f.Events, s.Events[i].file())
	}
	switch b := s.Noise.Bursts; s.Noise.Kind {
	case Lognormal, Exponential:
		f.Noise = &noiseFile{Kind: string(s.Noise.Kind), Sigma: s.Noise.Sigma}
	case Burst:
		f.Noise = &noiseFile{string(s.Noise.Kind), b.Sigma, b.Mu, b.Threshold, b.Enter, b.Stay, b.Scale, b.Shape, b.Persist}
	}
	for _, d := range s.Disturbances {
		var steps []stepFile
		for _, step := range d.Profile {
			steps = append(steps, stepFile{step.At.String(), step.Slowdown, step.What})
		}
		if f.Disturbances == nil {
			f.Disturbances = map[string][]stepFile{}
		}
		f.Disturbances[d.Processor] = steps
	}
	for _, policy := range sortedKeys(s.SwitchTimes) {
		if f.SwitchTime == nil {
			f.SwitchTime = map[string]string{}
		}
		f.SwitchTime[policy] = s.SwitchTimes[policy].String()
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out) // sorts the keys of maps
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(f), enc.Close()); err != nil {
		return nil, fmt.Errorf("traffic: %w", err)
	}
	return out.Bytes(), nil
}

func (a *App) file() appFile {
	f := appFile{
		Name: a.Name, Family: a.Family, Processor: a.Processor, Processors: a.Processors, Arrivals: a.Arrivals.file(),
		Limit: durationText(a.Limit), Accuracy: accuracyText(a.Accuracy), InitialLevel: a.InitialLevel,
	}
	if len(a.Processors) > 0 {
		f.Processor = ""
	}
	return f
}

func (e *Event) file() eventFile {
	f := eventFile{At: e.At.String(), Kind: string(e.Kind), Processor: e.Processor, App: e.App, Sensor: e.Sensor, What: e.What}
	switch e.Kind {
	case ClockEvent:
		f.To = strconv.FormatFloat(float64(e.Clock), 'f', -1, 64) + "Hz"
	case ModeEvent:
		f.To = e.Mode
	case AmbientEvent:
		f.To = strconv.FormatFloat(float64(e.Ambient), 'f', -1, 64) + "C"
	case LimitEvent:
		f.To = e.Limit.String()
	case AccuracyEvent:
		if f.To = accuracyText(e.Accuracy); f.To == "" {
			f.To = "0%"
		}
	case SensorEvent:
		if f.To = "back"; e.Lost {
			f.To = "lost"
		}
	}
	return f
}

// durationText returns "" for 0, which leaves the key out.
func durationText(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func rateText(perSecond float64) string {
	return strconv.FormatFloat(perSecond, 'g', -1, 64) + "/s"
}

// accuracyText returns per cent where that reads back to the same number, and a fraction otherwise.
func accuracyText(a unit.Accuracy) string {
	if a == 0 {
		return ""
	}
	text := strconv.FormatFloat(a.Percent(), 'g', -1, 64) + "%"
	if back, err := unit.ParseAccuracy(text); err == nil && back == a {
		return text
	}
	return strconv.FormatFloat(float64(a), 'g', -1, 64)
}
