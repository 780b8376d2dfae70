package sqlite

import "errors"

// Reasons for which a file cannot be used, to be found with errors.Is.
var (
	// ErrNotStudy: the file is no SQLite database, or another application's.
	ErrNotStudy = errors.New("not a study of dynofa")
	// ErrNewer: a newer version of dynofa wrote the file.
	ErrNewer = errors.New("written by a newer dynofa")
	// ErrDamaged: the file's content contradicts itself.
	ErrDamaged = errors.New("the study is damaged")
	// ErrBusy: another process kept the study locked for too long.
	ErrBusy = errors.New("the study is in use by another process")
)

// damaged says that stored data is not what this program stores.
type damaged struct{ err error }

func (d *damaged) Error() string { return ErrDamaged.Error() + ": " + d.err.Error() }

func (d *damaged) Is(target error) bool { return target == ErrDamaged }

func (d *damaged) Unwrap() error { return d.err }
