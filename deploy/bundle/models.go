package bundle

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/dynofa/dynofa/datasets/checkpoint"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
)

// models makes the levels' ONNX models from the supernet's tensors.
type models struct {
	space      *supernet.Space
	archs      []supernet.Arch
	weights    onnx.Weights
	statistics []map[string]onnx.Moments // per level, nil for the supernet's own
	source     string
}

// Level returns the ONNX model of level i, made from verified tensors: one float32 input of shape [1,
// channels, r, r], one float32 output of shape [1, classes]. The bytes are the same on every machine.
// The caller owns them.
//
// The first call reads and checks the supernet's tensors, which stay in memory until Forget or Close.
func (b *Bundle) Level(i int) ([]byte, error) {
	if i < 0 || i >= len(b.manifest.Family.Levels) {
		return nil, fmt.Errorf("bundle: %s: level %d is outside [0, %d]", b.dir, i, len(b.manifest.Family.Levels)-1)
	}
	m, err := b.loadModels()
	if err != nil {
		return nil, err
	}
	model, err := m.level(i)
	if err != nil {
		return nil, fmt.Errorf("bundle: %s: level %d: %w", b.dir, i, err)
	}
	return model, nil
}

// Forget gives the memory of the supernet's tensors back; the next Level reads them again.
func (b *Bundle) Forget() {
	b.models.Lock()
	defer b.models.Unlock()
	b.models.models = nil
}

func (b *Bundle) loadModels() (*models, error) {
	b.models.Lock()
	defer b.models.Unlock()
	if b.models.models != nil {
		return b.models.models, nil
	}
	m := &models{source: b.manifest.Weights}
	var err error
	if m.space, err = b.manifest.Family.Supernet(); err != nil {
		return nil, fmt.Errorf("bundle: %s: %w", b.dir, err)
	}
	for _, l := range b.manifest.Family.Levels {
		m.archs = append(m.archs, l.Arch)
	}
	file, err := b.checkpoint(b.manifest.Supernet)
	if err != nil {
		return nil, err
	}
	if m.weights, err = onnx.Restore(m.space, file); err != nil {
		return nil, fmt.Errorf("bundle: %s: %w", b.dir, err)
	}
	m.statistics = make([]map[string]onnx.Moments, len(m.archs))
	if b.manifest.Statistics != "" {
		file, err := b.checkpoint(b.manifest.Statistics)
		if err == nil {
			err = decodeStatistics(file, m.statistics)
		}
		if err != nil {
			return nil, fmt.Errorf("bundle: %s: %s: %w", b.dir, b.manifest.Statistics, err)
		}
	}
	b.models.models = m
	return m, nil
}

// checkpoint reads a file of tensors, verified.
func (b *Bundle) checkpoint(name string) (*checkpoint.File, error) {
	data, err := b.read(name)
	if err != nil {
		return nil, err
	}
	f, err := checkpoint.Read(bytes.NewReader(data), int64(len(data)), name)
	if err != nil {
		return nil, fmt.Errorf("bundle: %s: %w", b.dir, err)
	}
	if f.Format() != "safetensors" {
		return nil, fmt.Errorf("bundle: %s: %s has the format %s", b.dir, name, f.Format())
	}
	return f, nil
}

func (m *models) level(i int) ([]byte, error) {
	return onnx.Network(m.space, m.archs[i], m.weights, onnx.Options{Statistics: m.statistics[i], Source: m.source})
}

// Names of a statistic's tensors end in one of these.
const (
	meanSuffix = "/mean"
	varSuffix  = "/var"
)

// encodeStatistics lists the tensors of the levels that have statistics of their own, in network
// order.
func encodeStatistics(space *supernet.Space, archs []supernet.Arch, all []map[string]onnx.Moments) ([]checkpoint.Tensor, error) {
	var list []checkpoint.Tensor
	for i, statistics := range all {
		if statistics == nil {
			continue
		}
		norms, err := onnx.BatchNorms(space, archs[i])
		if err != nil {
			return nil, err
		}
		for _, n := range norms {
			s := statistics[n.Name] // complete and of the right lengths: the level's model was made
			for _, part := range []struct {
				suffix string
				data   []float32
			}{{meanSuffix, s.Mean}, {varSuffix, s.Var}} {
				list = append(list, checkpoint.Tensor{Name: fmt.Sprintf("%d/%s%s", i, n.Name, part.suffix), Shape: []int{len(part.data)}, Data: part.data})
			}
		}
	}
	return list, nil
}

// decodeStatistics reads what encodeStatistics listed. Whether a level's are complete is seen when its
// model is made.
func decodeStatistics(file *checkpoint.File, all []map[string]onnx.Moments) error {
	for _, name := range file.Names() {
		level, rest, ok := strings.Cut(name, "/")
		i, err := strconv.Atoi(level)
		if !ok || err != nil || i < 0 || i >= len(all) || strconv.Itoa(i) != level {
			return fmt.Errorf("tensor %.200q belongs to no level", name)
		}
		t, _ := file.Tensor(name)
		if all[i] == nil {
			all[i] = map[string]onnx.Moments{}
		}
		if norm, ok := strings.CutSuffix(rest, meanSuffix); ok {
			s := all[i][norm]
			s.Mean = t.Data
			all[i][norm] = s
		} else if norm, ok := strings.CutSuffix(rest, varSuffix); ok {
			s := all[i][norm]
			s.Var = t.Data
			all[i][norm] = s
		} else {
			return fmt.Errorf("tensor %.200q is neither a mean nor a variance", name)
		}
	}
	return nil
}

// tensors writes the supernet's part and the statistics, after making every level's model from them
// once: what a device could not use is not written.
func (w *writer) tensors(ctx context.Context) error {
	m, data, err := w.spec.models()
	if err != nil {
		return err
	}
	for i := range m.archs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if _, err := m.level(i); err != nil {
			return fmt.Errorf("level %d: %w", i, err)
		}
	}
	if err := w.add(supernetName, data); err != nil {
		return fmt.Errorf("%s: %w", supernetName, err)
	}
	w.manifest.Supernet = supernetName
	list, err := encodeStatistics(m.space, m.archs, m.statistics)
	if err != nil || len(list) == 0 {
		return err
	}
	if _, data, err = encodeTensors(list, nil); err != nil {
		return err
	}
	w.manifest.Statistics = momentsName
	return w.add(momentsName, data)
}

// models cuts the supernet down, and returns what makes models from that and the file's bytes.
func (s *Spec) models() (*models, []byte, error) {
	space, err := s.Family.Supernet()
	if err != nil {
		return nil, nil, err
	}
	m := &models{space: space, source: s.Weights, statistics: s.Statistics}
	if m.statistics == nil {
		m.statistics = make([]map[string]onnx.Moments, len(s.Family.Levels))
	}
	var levels []onnx.SubNetwork
	for i, l := range s.Family.Levels {
		m.archs = append(m.archs, l.Arch)
		levels = append(levels, onnx.SubNetwork{Arch: l.Arch, Statistics: m.statistics[i]})
	}
	list, err := onnx.Subset(space, levels, s.Supernet)
	if err != nil {
		return nil, nil, err
	}
	file, data, err := encodeTensors(list, map[string]string{"space": space.Name, "weights": s.Weights})
	if err != nil {
		return nil, nil, err
	}
	m.weights, err = onnx.Restore(space, file)
	return m, data, err
}

// encodeTensors returns the bytes of a file of tensors, and what reading them gives.
func encodeTensors(list []checkpoint.Tensor, metadata map[string]string) (*checkpoint.File, []byte, error) {
	var b bytes.Buffer
	if err := checkpoint.WriteSafetensors(&b, list, metadata); err != nil {
		return nil, nil, err
	}
	if b.Len() > MaxFile {
		return nil, nil, errors.New("too many tensors")
	}
	f, err := checkpoint.Read(bytes.NewReader(b.Bytes()), int64(b.Len()), "memory")
	return f, b.Bytes(), err
}
