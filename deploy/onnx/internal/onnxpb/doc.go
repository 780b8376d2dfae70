// Package onnxpb holds the protocol buffer types of ONNX models, generated from onnx.proto of ONNX
// 1.12 (IR version 8). Nothing in it is written by hand but this comment; NOTICE says where
// onnx.proto comes from.
package onnxpb

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go_opt=Monnx.proto=github.com/dynofa/dynofa/deploy/onnx/internal/onnxpb onnx.proto
