package onnx_test

import (
	"fmt"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
)

func ExampleNetwork() {
	space, err := supernet.ByName("ofa-mbv3-w0.25-c10")
	if err != nil {
		fmt.Println(err)
		return
	}
	weights, err := onnx.RandomWeights(space, 1) // or a checkpoint's: checkpoint.Open
	if err != nil {
		fmt.Println(err)
		return
	}
	model, err := onnx.Network(space, space.Uniform(5, 4, 3, 64), weights, onnx.Options{Source: weights.Source()})
	if err != nil {
		fmt.Println(err)
		return
	}
	info, err := onnx.Inspect(model)
	fmt.Println(info.Inputs, info.Outputs, info.Nodes, err)
	// Output: [{input float [1 3 64 64]}] [{logits float [1 10]}] 173 <nil>
}

func ExampleBlock() {
	b, err := supernet.ParseBlock("mbconv in=28x28x24 out=28x28x24 mid=72 k=5 s=1 act=relu se=1 res=1")
	if err != nil {
		fmt.Println(err)
		return
	}
	model, err := onnx.Block(b, 1, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	info, err := onnx.Inspect(model)
	fmt.Println(info.Inputs, info.Outputs, info.Nodes, err)
	// Output: [{input float [1 24 28 28]}] [{output float [1 24 28 28]}] 12 <nil>
}
