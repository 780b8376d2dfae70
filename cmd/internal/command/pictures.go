package command

import (
	"context"
	"fmt"
	"image"
	"strings"

	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/datasets/images/fashion"
	"github.com/dynofa/dynofa/deploy/eval"
)

// BuiltinImages is the --images argument that asks for drawn pictures.
const BuiltinImages = "builtin"

// FashionMNIST is the prefix of --images arguments that ask for a split of Fashion-MNIST.
const FashionMNIST = "fashion-mnist"

// PicturesUsage says which pictures OpenPictures opens, for usage texts.
const PicturesUsage = "a folder (PNG, JPEG, BMP; class folders give labels), idx:PICTURES[,LABELS], cifar10:FILE[,FILE...], cifar100:FILE, " +
	"or the built-in fashion-mnist:SPLIT (test, selection, calibration; fashion-mnist:SPLIT@FOLDER is the full set)"

// Pictures are pictures to classify, and where they come from.
type Pictures struct {
	eval.Pictures
	// Source names them in one line, without the folder that they lie in.
	Source string
	digest func(context.Context) (string, error)
	close  func() error
}

// Digest is the SHA-256, in hexadecimal, over pictures and labels. It reads all files.
func (p *Pictures) Digest(ctx context.Context) (string, error) { return p.digest(ctx) }

// Close gives back what the pictures hold open.
func (p *Pictures) Close() error { return p.close() }

// OpenPictures opens a folder of pictures, with a ground-truth file if labels names one; a data set in
// one of the formats that a prefix names; or, for BuiltinImages, drawn pictures without classes.
func OpenPictures(arg, labels string) (*Pictures, error) {
	kind, files, prefixed := strings.Cut(arg, ":")
	list := strings.Split(files, ",")
	if prefixed && labels != "" {
		return nil, Usagef("--labels goes with a folder of pictures, not with %q", arg)
	}
	switch {
	case arg == BuiltinImages:
		return &Pictures{patterns{}, "drawn pictures", func(context.Context) (string, error) {
			return fmt.Sprintf("%d patterns of %d pixels, seed %d", patternCount, patternSize, patternSeed), nil
		}, closed}, nil
	case prefixed && kind == FashionMNIST:
		return openFashion(files)
	case prefixed && kind == "idx":
		if len(list) > 2 {
			return nil, Usagef("%q: want idx:PICTURES or idx:PICTURES,LABELS", arg)
		}
		return set(images.OpenIDX(list[0], strings.Join(list[1:], ""), images.Limits{}))
	case prefixed && kind == "cifar10":
		return set(images.OpenCIFAR10(images.Limits{}, list...))
	case prefixed && kind == "cifar100":
		return set(images.OpenCIFAR100(images.Limits{}, list...))
	}
	f, err := images.OpenFolder(arg, images.FolderOptions{GroundTruth: labels})
	if err != nil {
		return nil, err
	}
	return &Pictures{f, baseName(arg), f.Digest, f.Close}, nil
}

// openFashion opens a split of Fashion-MNIST: the built-in subset or, behind "SPLIT@", the full set in a
// folder, by default that of Debian's package.
func openFashion(split string) (*Pictures, error) {
	name, folder, full := strings.Cut(split, "@")
	if !full {
		return fashionSet(name, "built-in subset", func() (*images.Set, error) { return fashion.Open(fashion.Split(name)) })
	}
	if folder == "" {
		folder = fashion.DefaultFolder
	}
	return fashionSet(name, "full set", func() (*images.Set, error) { return fashion.OpenFull(folder, fashion.Split(name)) })
}

func fashionSet(split, what string, open func() (*images.Set, error)) (*Pictures, error) {
	s, err := open()
	if err != nil {
		return nil, err
	}
	return &Pictures{s, fmt.Sprintf("Fashion-MNIST, %s, %s", split, what), func(context.Context) (string, error) { return s.Digest(), nil }, closed}, nil
}

func closed() error { return nil }

func set(s *images.Set, err error) (*Pictures, error) {
	if err != nil {
		return nil, err
	}
	return &Pictures{s, baseName(s.File), func(context.Context) (string, error) { return s.Digest(), nil }, closed}, nil
}

// baseName is the last part of a path: results do not tell where a user keeps files.
func baseName(path string) string {
	path = strings.TrimRight(path, "/")
	return path[strings.LastIndexByte(path, '/')+1:]
}

// patterns are drawn pictures without classes.
type patterns struct{}

const (
	patternCount = 8   // few, so that nearly all requests find their picture prepared
	patternSize  = 320 // pixels
	patternSeed  = 1
)

func (patterns) Len() int                         { return patternCount }
func (patterns) Name(i int) string                { return fmt.Sprintf("pattern %d", i) }
func (patterns) Label(int) int                    { return images.Unlabelled }
func (patterns) Classes() []string                { return nil }
func (patterns) Image(i int) (image.Image, error) { return images.Pattern(patternSeed, i, patternSize) }
