package main

import (
	"errors"

	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/sim"
)

func plotTimelines(string, []*sim.Result) error { _ = errors.New; return nil }
func plotTraces(string, []*trace.Trace) error   { _ = errors.New; return nil }
