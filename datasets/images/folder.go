package images

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// maxPictures bounds the entries of a folder and the lines of a ground-truth file.
const maxPictures = 4 << 20

// Unlabelled is the label of a picture whose class is not known.
const Unlabelled = -1

// FolderOptions says how a folder is read. The zero value reads it as it lies.
type FolderOptions struct {
	// GroundTruth is the path of a file that labels the pictures; empty means that class folders do,
	// or nothing does. See [OpenFolder].
	GroundTruth string
	// Classes names the classes in label order. Empty means: the class folders, or the distinct names
	// in the ground-truth file, in byte order.
	Classes []string
	// Limits bounds each picture.
	Limits Limits
}

// A Folder is a folder of pictures, with labels where they are known. Its order is fixed: by class, then
// by the bytes of the name. Pictures are decoded when asked for. Any number of goroutines may use it.
type Folder struct {
	dir     string
	root    *os.Root
	limits  Limits
	classes []string
	items   []item
	ignored int
}

type item struct {
	name  string // slash-separated, below dir
	label int
}

// OpenFolder lists a folder, in one of three layouts:
//
//   - pictures only: unlabelled;
//   - folders only, one for each class, with pictures in them (ImageNet's training layout): labels are
//     the classes in byte order from 0, as in torchvision's ImageFolder. A class without a picture is an
//     [*EmptyClassError];
//   - with a ground-truth file: lines of "name label", names relative to the folder, or of "label"
//     only, for the pictures in byte order. Labels are numbers from 0, or class names. ImageNet's
//     development kit numbers classes in another order than networks do: use a list with class names.
//
// Files whose names do not end in .png, .jpg, .jpeg or .bmp, and hidden ones, are passed over and counted
// by Ignored. A name or symbolic link that leads out of the folder is refused with [ErrEscape].
func OpenFolder(dir string, o FolderOptions) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("images: %w", err)
	}
	f := &Folder{dir: dir, root: root, limits: o.Limits, classes: slices.Clone(o.Classes)}
	if o.GroundTruth != "" {
		err = f.label(o.GroundTruth)
	} else {
		err = f.scan()
	}
	if err == nil && len(f.items) == 0 {
		err = fmt.Errorf("images: %s: no picture (.png, .jpg, .jpeg, .bmp) in the folder", dir)
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return f, nil
}

// Close gives back the folder's handle; the Folder is of no use afterwards.
func (f *Folder) Close() error { return f.root.Close() }

// Len is the number of pictures.
func (f *Folder) Len() int { return len(f.items) }

// Name is the name of picture i below the folder, with slashes.
func (f *Folder) Name(i int) string { return f.items[i].name }

// Label is the class of picture i, or Unlabelled.
func (f *Folder) Label(i int) int { return f.items[i].label }

// Classes are the names of the classes in label order; empty if they have none. The caller owns it.
func (f *Folder) Classes() []string { return slices.Clone(f.classes) }

// Ignored is the number of files that were passed over because they are not pictures by their names.
func (f *Folder) Ignored() int { return f.ignored }

// Image decodes picture i. A picture that cannot be decoded is a [*DecodeError]; any other error means
// that the file cannot be opened.
func (f *Folder) Image(i int) (image.Image, error) {
	file, err := f.open(f.items[i].name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return Decode(f.path(f.items[i].name), file, f.limits)
}

// Digest is the SHA-256, in hexadecimal, over every picture's name, label and encoded bytes in order.
// It reads all files and stops when the context is done.
func (f *Folder) Digest(ctx context.Context) (string, error) {
	h := sha256.New()
	var num [8]byte
	add := func(n int64) { binary.LittleEndian.PutUint64(num[:], uint64(n)); h.Write(num[:]) }
	for _, it := range f.items {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		add(int64(len(it.name)))
		io.WriteString(h, it.name)
		add(int64(it.label))
		file, err := f.open(it.name)
		if err != nil {
			return "", err
		}
		n, err := io.Copy(h, io.LimitReader(file, f.limits.bytes()+1))
		err = errors.Join(err, file.Close())
		if err == nil && n > f.limits.bytes() {
			err = fmt.Errorf("more than %d bytes: %w", f.limits.bytes(), ErrTooLarge)
		}
		if err != nil {
			return "", fmt.Errorf("images: %s: %w", f.path(it.name), err)
		}
		add(n)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (f *Folder) path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

// open opens a regular file below the folder; a pipe would block for ever.
func (f *Folder) open(name string) (*os.File, error) {
	info, err := f.stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("images: %s is not a regular file", f.path(name))
	}
	file, err := f.root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, fmt.Errorf("images: %s: %w", f.path(name), err)
	}
	return file, nil
}

// stat follows links as long as they stay in the folder.
func (f *Folder) stat(name string) (fs.FileInfo, error) {
	if !filepath.IsLocal(filepath.FromSlash(name)) {
		return nil, fmt.Errorf("images: %s: %q %w", f.dir, name, ErrEscape)
	}
	info, err := f.root.Stat(filepath.FromSlash(name))
	if err == nil {
		return info, nil
	}
	if link, lerr := f.root.Lstat(filepath.FromSlash(name)); lerr == nil && link.Mode()&fs.ModeSymlink != 0 && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("images: %s: symbolic link %w: %w", f.path(name), ErrEscape, err)
	}
	return nil, fmt.Errorf("images: %s: %w", f.path(name), err)
}

// scan finds out the layout and lists the pictures.
func (f *Folder) scan() error {
	pictures, folders, err := f.list(".")
	if err != nil {
		return err
	}
	if len(folders) == 0 {
		for _, name := range pictures {
			f.items = append(f.items, item{name, Unlabelled})
		}
		return nil
	}
	if len(pictures) > 0 {
		return fmt.Errorf("images: %s holds both pictures (%s) and folders (%s): is it flat, or one folder a class?", f.dir, pictures[0], folders[0])
	}
	if len(f.classes) == 0 {
		f.classes = folders
	}
	for _, class := range folders {
		label := slices.Index(f.classes, class)
		if label < 0 {
			return fmt.Errorf("images: %s: folder %q is not among the %d given classes", f.dir, class, len(f.classes))
		}
		pictures, nested, err := f.list(class)
		if err != nil {
			return err
		}
		if len(nested) > 0 {
			return fmt.Errorf("images: %s: folder %q within a class", f.dir, nested[0])
		}
		if len(pictures) == 0 {
			return &EmptyClassError{Folder: f.dir, Class: class}
		}
		for _, name := range pictures {
			f.items = append(f.items, item{name, label})
		}
		if len(f.items) > maxPictures {
			return fmt.Errorf("images: %s: more than %d pictures: %w", f.dir, maxPictures, ErrTooLarge)
		}
	}
	slices.SortStableFunc(f.items, func(a, b item) int { return cmp.Compare(a.label, b.label) })
	return nil
}

// list returns the pictures and folders in a folder below the root, each in byte order.
func (f *Folder) list(dir string) (pictures, folders []string, err error) {
	d, err := f.root.Open(filepath.FromSlash(dir))
	if err != nil {
		return nil, nil, fmt.Errorf("images: %s: %w", f.path(dir), err)
	}
	defer d.Close()
	for n := 0; ; {
		entries, err := d.ReadDir(4096)
		if n += len(entries); n > maxPictures {
			return nil, nil, fmt.Errorf("images: %s: more than %d entries: %w", f.path(dir), maxPictures, ErrTooLarge)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") {
				f.ignored++
				continue
			}
			name, mode := path.Join(dir, e.Name()), e.Type()
			if mode&fs.ModeSymlink != 0 {
				info, err := f.stat(name)
				if err != nil {
					return nil, nil, err
				}
				mode = info.Mode().Type()
			}
			switch {
			case mode.IsDir():
				folders = append(folders, name)
			case mode.IsRegular() && isPicture(name):
				pictures = append(pictures, name)
			default:
				f.ignored++
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, fmt.Errorf("images: %s: %w", f.path(dir), err)
		}
	}
	slices.Sort(pictures)
	slices.Sort(folders)
	return pictures, folders, nil
}

// isPicture tells by the name only; what is in the file is found out when it is decoded.
func isPicture(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".png", ".jpg", ".jpeg", ".bmp":
		return true
	}
	return false
}
