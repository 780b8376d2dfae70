//go:build !cgo

package sqlite

// Without cgo the driver only says that it needs cgo.

func classify(err error) error { return err }

func isBusy(error) bool { return false }
