package command

import "github.com/dynofa/dynofa/deploy/ort"

// LoadRuntime finds and loads ONNX Runtime; explicit may be empty.
func LoadRuntime(explicit string) (*ort.Runtime, error) {
	path, err := ort.FindLibrary(explicit)
	if err != nil {
		return nil, err
	}
	return ort.Load(path)
}
