package serve

// For the fuzz target.
var ParseInfer = parseInfer
