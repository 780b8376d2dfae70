// Package serve answers requests over HTTP with a runner's levels: the Open Inference Protocol v2
// (health, metadata, inference with JSON and binary tensors), metrics for Prometheus, a live status page,
// and control of what the run is asked to keep.
//
//	GET  /v2, /v2/health/live, /v2/health/ready
//	GET  /v2/models/NAME[/versions/VERSION][/ready]
//	POST /v2/models/NAME[/versions/VERSION]/infer
//	GET  /metrics          Prometheus, base units
//	GET  /, /status.json   what is going on
//	GET, PUT /control      {"limit": "30ms", "deadline": "50ms", "min_accuracy": "76%", "power_mode": "MODE_15W_4CORE"}
//
// A model takes one of three inputs and gives two outputs, of which a request may name those it wants:
//
//	image  BYTES [1]         a PNG, JPEG or BMP file; base64 in JSON
//	image  UINT8 [1, H, W, 3] or [H, W, 3]    pixels, RGB
//	input  FP32  [1, 3, R, R] or [3, R, R]    a normalised tensor; resampled where a level is of another R
//	class  INT64 [1]         the class with the largest logit
//	logits FP32  [1, C]
//
// The response's parameters say which level answered, and the predicted and the observed latency. A
// request's own deadline is the parameter timeout, in microseconds.
//
// Source: https://github.com/kserve/open-inference-protocol, REST, and the binary data extension of
// https://github.com/triton-inference-server/server, docs/protocol/extension_binary_data.md.
//
// The package has no authentication and no encryption: it is for this machine, or behind something that
// has. On a loopback address it answers only requests that name a loopback host, so that a web page
// elsewhere cannot use it through a visitor's browser.
package serve
