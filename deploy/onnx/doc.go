// Package onnx turns a supernet's weights into ONNX models: Network writes the model of one
// sub-network, Block the model of a single block with random weights for profiling, Calibration the
// model that re-estimates a sub-network's batch normalisation statistics. Inspect reads back what a
// model says about itself.
//
// The package only writes and describes bytes. It opens no file, runs nothing and needs no cgo;
// deploy/ort runs the models. It knows the layers of supernet.Space and refuses everything else:
// it is no general ONNX library and does not optimise graphs.
//
// # Form of the graphs
//
// One float32 input, "input", of fixed shape [batch, channels, r, r] (NCHW); one float32 output,
// "logits" of a network ([batch, classes]), "output" of a block. Opset 13, IR version 7.
// Batch normalisation is folded into the convolution before it. h-swish is HardSigmoid(1/6, 1/2)
// and Mul, a mean over height and width is GlobalAveragePool: ONNX Runtime needs 8 to 26% less CPU
// time for this form than for the one torch.onnx writes (measured on an x86 machine with ORT 1.27).
//
// Every node's name starts with the name of its layer and a slash (supernet.Layer.Name, "block" in
// a Block model), so that a profile can be summed by block:
//
//	stem/conv                   and its activation below stem/conv/
//	b03/expand                  1x1 expansion
//	b03/depthwise               k x k depthwise convolution
//	b03/se/pool, reduce, expand, gate, scale
//	b03/project, b03/add
//	b03/conv1, conv2, conv3, shortcut/pool, shortcut/conv, add    of a bottleneck
//	maxpool/max  expand/conv  pool/mean  mix/conv  classifier/flatten  classifier/linear
//
// A convolution's tensors are called like its node with /weight and /bias behind.
package onnx
