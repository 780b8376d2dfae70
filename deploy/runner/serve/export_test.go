package serve

// For the fuzz target.
func ParseInfer(body []byte, length string) (*inferRequest, error) {
	return parseInfer(body, length, func(int64) error { return nil })
}
