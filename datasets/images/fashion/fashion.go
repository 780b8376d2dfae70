// Package fashion holds class-balanced subsets of Fashion-MNIST (28 x 28 grey pictures of ten kinds
// of clothes; MIT, see LICENSE beside this file) and reads the full set where there is one.
//
// Who may use which picture, so that figures are about pictures that nothing was chosen by:
//
//	train        55,000 pictures that the supernet of datasets/supernet/train was trained on
//	calibration  of those; for the recalibration of batch normalisation
//	selection    5,000 held out of the 60,000: for fitting predictors, searches, choices of levels
//	test         10,000: for final figures
//
// make.py wrote the files, from a fixed seed. The package decodes nothing itself and fetches nothing.
//
// Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking
// Machine Learning Algorithms", arXiv:1708.07747, 2017.
package fashion

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dynofa/dynofa/datasets/images"
)

//go:embed *.gz selection.txt
var files embed.FS

// Split names a part of the data set.
type Split string

// The splits. Train has no subset here.
const (
	Train       Split = "train"
	Calibration Split = "calibration"
	Selection   Split = "selection"
	Test        Split = "test"
)

// DefaultFolder is where Debian's package dataset-fashion-mnist puts the full set.
const DefaultFolder = "/usr/share/datasets/fashion-mnist"

// ErrSplit is wrapped by errors about a split that is unknown or not there.
var ErrSplit = errors.New("no such split")

// Classes returns the ten classes in label order. The caller owns them.
func Classes() []string {
	return []string{"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"}
}

// Transform is how the supernet was trained to see the pictures: whole, resized to the resolution,
// three equal channels, normalised with mean and standard deviation of the 60,000 training pictures.
func Transform() images.Transform {
	const mean, std = 0.2860, 0.3530
	return images.Transform{Crop: 1, Mean: [3]float32{mean, mean, mean}, Std: [3]float32{std, std, std}}
}

// Open returns the built-in subset of a split, as many pictures of each class: 2,000 of Test and of
// Selection, 1,000 of Calibration, in the order of the full set. The error wraps ErrSplit for others.
func Open(split Split) (*images.Set, error) {
	switch split {
	case Calibration, Selection, Test:
	default:
		return nil, fmt.Errorf("fashion: %w: %q has no built-in subset", ErrSplit, split)
	}
	name := string(split) + "-images-idx3-ubyte.gz"
	pictures, err := files.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("fashion: %w", err)
	}
	s, err := images.ReadIDXPictures("fashion/"+name, bytes.NewReader(pictures), images.Limits{})
	if err != nil {
		return nil, err
	}
	name = string(split) + "-labels-idx1-ubyte.gz"
	labels, err := files.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("fashion: %w", err)
	}
	if s.Labels, err = images.ReadIDXLabels("fashion/"+name, bytes.NewReader(labels), images.Limits{}); err != nil {
		return nil, err
	}
	s.ClassNames = Classes()
	return s, nil
}

// OpenFull returns all pictures of a split from the four files of the full set in a folder (see
// DefaultFolder): 10,000 of Test, 5,000 of Selection, 55,000 of Train, which Calibration stands for
// too. An error about a folder without the files wraps fs.ErrNotExist.
func OpenFull(folder string, split Split) (*images.Set, error) {
	part := "train"
	switch split {
	case Test:
		part = "t10k"
	case Train, Calibration, Selection:
	default:
		return nil, fmt.Errorf("fashion: %w: %q", ErrSplit, split)
	}
	s, err := images.OpenIDX(filepath.Join(folder, part+"-images-idx3-ubyte.gz"),
		filepath.Join(folder, part+"-labels-idx1-ubyte.gz"), images.Limits{})
	if err != nil {
		return nil, err
	}
	s.ClassNames = Classes()
	if split == Test {
		return s, nil
	}
	held, err := heldOut()
	if err != nil {
		return nil, err
	}
	return part60000(s, held, split == Selection)
}

// OpenBest is OpenFull where the folder holds the full set and Open where it does not.
func OpenBest(folder string, split Split) (*images.Set, error) {
	s, err := OpenFull(folder, split)
	if errors.Is(err, fs.ErrNotExist) {
		return Open(split)
	}
	return s, err
}

// heldOut reads the numbers of the pictures that were not trained on, ascending.
func heldOut() ([]int, error) {
	text, err := files.ReadFile("selection.txt")
	if err != nil {
		return nil, fmt.Errorf("fashion: %w", err)
	}
	var all []int
	for i, line := range strings.Fields(string(text)) {
		n, err := strconv.Atoi(line)
		if err != nil {
			return nil, fmt.Errorf("fashion: selection.txt: line %d: %w", i+1, err)
		}
		all = append(all, n)
	}
	return all, nil
}

// part60000 returns the pictures with the numbers in held, ascending, or the other ones.
func part60000(s *images.Set, held []int, in bool) (*images.Set, error) {
	if n := s.Len(); n <= held[len(held)-1] {
		return nil, fmt.Errorf("fashion: %s: %d pictures, the full set has 60000", s.File, n)
	}
	size := s.Height * s.Width * s.Channels
	out := *s
	out.Pix, out.Labels = nil, nil
	for i := range s.Len() {
		hit := len(held) > 0 && held[0] == i
		if hit {
			held = held[1:]
		}
		if hit == in {
			out.Pix = append(out.Pix, s.Pix[i*size:(i+1)*size]...)
			out.Labels = append(out.Labels, s.Labels[i])
		}
	}
	return &out, nil
}
