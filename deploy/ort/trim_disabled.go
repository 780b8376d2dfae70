//go:build !cgo

package ort

func trim() {}

func smallPages() {}
