package onnx_test

import (
	"math"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
)

// Spaces of the user's own, of every build that a description can ask for, give networks that compute.
func TestOwnSpaces(t *testing.T) {
	const head = "name: own\nin_channels: 1\nclasses: 7\nresolutions: [12, 20]\nkernels: [3, 5]\nexpands: [2, 2.5]\ndepths: [1, 2]\n"
	oneKernel := strings.Replace(head, "[3, 5]", "[3]", 1)
	for name, text := range map[string]string{
		"small MobileNetV3": head + `stem: {width: 8, stride: 1, activation: hswish}
first: {width: 16, activation: relu}
stages:
  - {width: 16, stride: 1, activation: relu}
  - {width: 24, stride: 2, activation: hswish, se: true, depths: [0, 2], base: 1}
head: {expand: 32, mix: 40, activation: hswish}
`,
		"without first block, three classes of stages": head + `stem: {width: 8, stride: 3, activation: relu6}
stages:
  - {width: 8, activation: relu6}
  - {width: 16, stride: 4, activation: relu6, base: 2, fixed: true}
head: {expand: 24, activation: relu6}
`,
		"bare head":        head + "stem: {width: 8, activation: relu}\nstages:\n  - {width: 8, stride: 2, activation: relu}\n",
		"mix without mean": head + "stem: {width: 8, activation: relu}\nstages:\n  - {width: 8, stride: 2, activation: relu}\nhead: {mix: 16, activation: relu}\n",
		"deep stem": head + `stem: {kind: deep, width: 16, stride: 1, activation: relu}
stages:
  - {width: 16, stride: 2, activation: relu}
head: {expand: 16, activation: relu}
`,
		"bottlenecks with widths": oneKernel + `widths: [0.5, 1]
body: bottleneck
stem: {width: 16, stride: 1, activation: relu}
stages:
  - {width: 32, stride: 2, activation: relu, base: 1}
  - {width: 48, stride: 1, activation: relu}
`,
		"bottlenecks with widths and first block": oneKernel + `widths: [0.5, 1]
body: bottleneck
stem: {width: 16, stride: 1, activation: relu}
first: {width: 24, activation: relu}
stages:
  - {width: 32, stride: 2, activation: relu, base: 1}
head: {expand: 40, mix: 24, activation: relu}
`,
	} {
		t.Run(name, func(t *testing.T) {
			s, err := supernet.ParseSpace("own.yaml", []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			w := randomWeights(t, s, 3)
			for _, a := range []supernet.Arch{s.Smallest(), s.Largest()} {
				colour := images(1, a.R)
				grey := array{[]int{1, 1, a.R, a.R}, colour.data[:a.R*a.R]}
				got := interpret(t, write(t, s, a, w, onnx.Options{}), grey)
				if len(got.data) != 7 {
					t.Fatalf("%d logits, want 7", len(got.data))
				}
				for _, v := range got.data {
					if math.IsNaN(v) || math.IsInf(v, 0) || v == 0 {
						t.Errorf("logits %v", got.data)
						break
					}
				}
			}
			if strings.Contains(name, "MobileNetV3") {
				if _, ok := w.Tensor("blocks.1.conv.depth_conv.conv.5to3_matrix"); !ok {
					t.Error("the kernel transform of 5 to 3 is missing")
				}
			}
		})
	}
}
