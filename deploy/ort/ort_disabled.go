//go:build !cgo

package ort

// Runtime is ONNX Runtime. Without cgo there is none.
type Runtime struct{}

// Load returns ErrDisabled.
func Load(string) (*Runtime, error) { return nil, ErrDisabled }

// Version returns "".
func (*Runtime) Version() string { return "" }

// Path returns "".
func (*Runtime) Path() string { return "" }

// SHA256 returns ErrDisabled.
func (*Runtime) SHA256() (string, error) { return "", ErrDisabled }

// NewSession returns ErrDisabled.
func (*Runtime) NewSession([]byte, Options) (*Session, error) { return nil, ErrDisabled }

// Optimise returns ErrDisabled.
func (*Runtime) Optimise([]byte, string, string, Options) ([]byte, error) { return nil, ErrDisabled }

// NewMappedSession returns ErrDisabled.
func (*Runtime) NewMappedSession([]byte, string, Options) (*Session, error) { return nil, ErrDisabled }

// Session runs one model. Without cgo there is none.
type Session struct{}

// Input returns nil.
func (*Session) Input() []float32 { return nil }

// Output returns nil.
func (*Session) Output() []float32 { return nil }

// InputShape returns nil.
func (*Session) InputShape() []int { return nil }

// OutputShape returns nil.
func (*Session) OutputShape() []int { return nil }

// Run returns ErrDisabled.
func (*Session) Run() error { return ErrDisabled }

// Close returns nil.
func (*Session) Close() error { return nil }
