package runner

import (
	"container/list"
	"fmt"

	"github.com/dynofa/dynofa/datasets/images"
)

// inputs prepares pictures and keeps the least recently used ones out of memory.
type inputs struct {
	pictures Pictures
	makers   map[int]*images.Preprocessor // by resolution
	limit    int64                        // bytes kept
	used     int64
	kept     map[inputKey]*list.Element
	order    *list.List // of *input, most recently used first
}

type inputKey struct{ picture, resolution int }

type input struct {
	key  inputKey
	data []float32
}

func newInputs(p Pictures, t images.Transform, resolutions []int, limit int64) (*inputs, error) {
	in := &inputs{pictures: p, makers: map[int]*images.Preprocessor{}, limit: limit, kept: map[inputKey]*list.Element{}, order: list.New()}
	for _, r := range resolutions {
		if in.makers[r] != nil {
			continue
		}
		m, err := images.NewPreprocessor(t.At(r))
		if err != nil {
			return nil, err
		}
		in.makers[r] = m
	}
	return in, nil
}

// into writes picture i at a resolution to dst, NCHW float32.
func (in *inputs) into(dst []float32, i, resolution int) error {
	key := inputKey{i, resolution}
	if e, ok := in.kept[key]; ok {
		in.order.MoveToFront(e)
		copy(dst, e.Value.(*input).data)
		return nil
	}
	img, err := in.pictures.Image(i)
	if err == nil {
		err = in.makers[resolution].Into(dst, img)
	}
	if err != nil {
		return fmt.Errorf("picture %s: %w", in.pictures.Name(i), err)
	}
	in.keep(key, dst)
	return nil
}

// keep copies a prepared picture, in place of the ones that were used longest ago.
func (in *inputs) keep(key inputKey, data []float32) {
	size := int64(len(data)) * 4
	if size > in.limit {
		return
	}
	var memory []float32
	for in.used+size > in.limit {
		last := in.order.Back()
		old := last.Value.(*input)
		in.order.Remove(last)
		delete(in.kept, old.key)
		in.used -= int64(len(old.data)) * 4
		if len(old.data) == len(data) {
			memory = old.data
		}
	}
	if memory == nil {
		memory = make([]float32, len(data))
	}
	copy(memory, data)
	in.kept[key] = in.order.PushFront(&input{key, memory})
	in.used += size
}
