package supernet_test

import (
	"os/exec"
	"testing"
)

// The training tool's own tests, where what they need is installed: nothing in Go depends on it.
func TestTrainingTool(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	python := "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import torch, numpy").Run(); err != nil {
		t.Skip("Debian's python3-torch is not installed: ", err)
	}
	if out, err := exec.Command(python, "train/test_train.py").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
