package eval

import (
	"errors"
	"fmt"
)

// ErrUnlabelled is wrapped by the error about a picture whose class is not known.
var ErrUnlabelled = errors.New("its class is not known")

// ErrNoPicture is wrapped by the error of a calibration or evaluation that has no picture to work on.
var ErrNoPicture = errors.New("no picture")

// A ClassesError says that pictures and supernet do not have the same classes.
type ClassesError struct {
	Space    string
	Want     int    // classes of the supernet
	Got      int    // classes of the pictures, or the label of Name
	Name     string // of the picture with a label out of range; "" if the numbers of classes differ
	Pictures string // where the pictures are from, may be ""
}

// Error names the picture or the numbers.
func (e *ClassesError) Error() string {
	if e.Name != "" {
		return fmt.Sprintf("eval: picture %s has label %d, %s has classes 0 to %d", e.Name, e.Got, e.Space, e.Want-1)
	}
	return fmt.Sprintf("eval: the pictures have %d classes, %s has %d", e.Got, e.Space, e.Want)
}

// A SkippedError says that too many pictures could not be decoded.
type SkippedError struct {
	Skipped, Of int
	First       error // why the first was passed over
}

// Error gives the numbers and the first reason.
func (e *SkippedError) Error() string {
	return fmt.Sprintf("eval: %d of %d pictures cannot be decoded, more than 1%%; the first: %v", e.Skipped, e.Of, e.First)
}

// Unwrap returns the reason of the first.
func (e *SkippedError) Unwrap() error { return e.First }

// A NumberError says that a network gave something that is no number.
type NumberError struct {
	What    string // "logit 3 of picture ..." or the batch normalisation
	Value   float32
	Picture string
}

// Error says what and where.
func (e *NumberError) Error() string {
	return fmt.Sprintf("eval: %s is %g: the weights are of no use", e.What, e.Value)
}
