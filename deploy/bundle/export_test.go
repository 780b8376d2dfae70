package bundle

// For fuzz targets and the test of what Linux does not need.
var (
	ParseManifest = parseManifest
	ParseTable    = parseTable
	Encode        = encode
	EncodeTable   = encodeTable
	SwapRenames   = swapRenames
)
