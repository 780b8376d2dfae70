package eval

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/datasets/supernet"
)

// Pictures are labelled pictures. Package images' Folder and Set are such. Several goroutines ask at the
// same time.
type Pictures interface {
	Len() int
	// Name tells picture i apart in messages.
	Name(i int) string
	// Label is the class of picture i, negative if it is not known.
	Label(i int) int
	// Classes are the names of the classes in label order, empty if they have none.
	Classes() []string
	// Image decodes picture i. A picture that cannot be decoded is an *images.DecodeError.
	Image(i int) (image.Image, error)
}

var (
	_ Pictures = (*images.Folder)(nil)
	_ Pictures = (*images.Set)(nil)
)

// Sample returns n of the numbers 0 to total-1 in an order drawn from seed, all of them if n is 0 or more
// than total. Folders list pictures class by class; batches of a calibration must not.
func Sample(total, n int, seed uint64) []int {
	order := rand.New(rand.NewPCG(seed, sampleStream)).Perm(total)
	if n > 0 && n < total {
		order = order[:n]
	}
	return order
}

const sampleStream = 0x73616d706c65 // "sample"

// CheckClasses returns a *ClassesError unless the pictures' classes are those of the space, and an error
// that wraps ErrUnlabelled for a picture without a label.
func CheckClasses(p Pictures, space *supernet.Space) error {
	if n := len(p.Classes()); n > 0 && n != space.Classes {
		return &ClassesError{Space: space.Name, Want: space.Classes, Got: n}
	}
	for i := range p.Len() {
		switch l := p.Label(i); {
		case l < 0:
			return fmt.Errorf("eval: picture %s: %w", p.Name(i), ErrUnlabelled)
		case l >= space.Classes:
			return &ClassesError{Space: space.Name, Want: space.Classes, Got: l, Name: p.Name(i)}
		}
	}
	return nil
}

// prepared is one picture as the network sees it. data is nil if it cannot be decoded.
type prepared struct {
	position int // in the list of pictures asked for
	picture  int
	data     []float32
	err      error // why there is no data
}

// feed prepares the pictures of a list, several at the same time, and hands them over in order.
type feed struct {
	pictures Pictures
	list     []int
	pre      images.Preprocess
	workers  int
}

// each calls use for every picture in order until use or the context fails. The data is used again after
// use returns. A picture that cannot be opened at all is an error.
func (f *feed) each(ctx context.Context, use func(prepared) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	type job struct {
		prepared
		done chan struct{}
	}
	ahead := 4 * f.workers
	jobs, order, free := make(chan *job, ahead), make(chan *job, ahead), make(chan []float32, 2*ahead)
	group.Go(func() {
		defer close(jobs)
		defer close(order)
		for position, picture := range f.list {
			j := &job{prepared: prepared{position: position, picture: picture}, done: make(chan struct{})}
			for _, c := range []chan *job{order, jobs} {
				select {
				case c <- j:
				case <-ctx.Done():
					return
				}
			}
		}
	})
	for range f.workers {
		maker, err := images.NewPreprocessor(f.pre)
		if err != nil {
			return err
		}
		group.Go(func() {
			for j := range jobs {
				if ctx.Err() == nil {
					select {
					case j.data = <-free:
					default:
						j.data = make([]float32, maker.Len())
					}
					if j.err = f.prepare(maker, j.data, j.picture); j.err != nil {
						j.data = nil
					}
				}
				close(j.done)
			}
		})
	}
	for j := range order {
		select {
		case <-j.done:
		case <-ctx.Done():
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		var undecodable *images.DecodeError
		if j.err != nil && !errors.As(j.err, &undecodable) {
			return fmt.Errorf("eval: %w", j.err)
		}
		if err := use(j.prepared); err != nil {
			return err
		}
		if j.data != nil {
			select {
			case free <- j.data:
			default:
			}
		}
	}
	return ctx.Err()
}

func (f *feed) prepare(maker *images.Preprocessor, dst []float32, picture int) error {
	img, err := f.pictures.Image(picture)
	if err != nil {
		return err
	}
	return maker.Into(dst, img)
}

// skips counts pictures that are passed over.
type skips struct {
	of, n int
	first error
}

// add returns a *SkippedError once there are more than one in a hundred.
func (s *skips) add(err error) error {
	if s.n++; s.n == 1 {
		s.first = err
	}
	if 100*s.n > s.of {
		return &SkippedError{Skipped: s.n, Of: s.of, First: s.first}
	}
	return nil
}

// all returns list, or every picture in order if it is nil.
func all(p Pictures, list []int) ([]int, error) {
	if list == nil {
		list = make([]int, p.Len())
		for i := range list {
			list[i] = i
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("eval: %w", ErrNoPicture)
	}
	if i := slices.IndexFunc(list, func(i int) bool { return i < 0 || i >= p.Len() }); i >= 0 {
		return nil, fmt.Errorf("eval: there is no picture %d of %d", list[i], p.Len())
	}
	return list, nil
}
