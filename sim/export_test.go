package sim

// SetMaxRecords bounds runs to fewer requests and returns a function that undoes it.
func SetMaxRecords(n int) (undo func()) {
	old := maxRecords
	maxRecords = n
	return func() { maxRecords = old }
}
