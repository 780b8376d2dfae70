package command

import (
	"cmp"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// DefaultStudy is where a study lies unless --db says otherwise.
const DefaultStudy = "dynofa.db"

// DBFlag is --db, the study file.
func DBFlag(to *string) cli.Flag {
	return &cli.StringFlag{Name: "db", Usage: "study `FILE` (SQLite)", Value: DefaultStudy, Destination: to}
}

// SpaceFlag is --space.
func SpaceFlag(to *string, value string) cli.Flag {
	return &cli.StringFlag{Name: "space", Usage: "supernet `SPACE`, such as ofa-mbv3-w1.2 or ofa-mbv3-w0.5-c10, or a FILE.yaml that describes one", Value: value, Destination: to}
}

// OpenSpace returns the space of an argument: a file's if it ends in .yaml or .yml, else by its name. A
// name that no space has is a usage error.
func OpenSpace(arg string) (*supernet.Space, error) {
	switch strings.ToLower(filepath.Ext(arg)) {
	case ".yaml", ".yml":
		return supernet.LoadSpace(arg)
	}
	s, err := supernet.ByName(arg)
	if err != nil {
		return nil, UsageError{Err: err}
	}
	return s, nil
}

// DeviceFlag is --device.
func DeviceFlag(to *string, value string) cli.Flag {
	return &cli.StringFlag{Name: "device", Usage: "`NAME` of the device of the table", Value: value, Destination: to}
}

// ProcessorFlag is --processor.
func ProcessorFlag(to *string, value string) cli.Flag {
	return &cli.StringFlag{Name: "processor", Usage: "`NAME` of the processor: cpu, gpu", Value: value, Destination: to}
}

// RuntimeFlag is --onnxruntime.
func RuntimeFlag(to *string) cli.Flag {
	return &cli.StringFlag{Name: "onnxruntime", Usage: "`PATH` of libonnxruntime, if not the one that make fetched", EnvVars: []string{"DYNOFA_ONNXRUNTIME"}, Destination: to}
}

// SeedFlag is --seed.
func SeedFlag(to *uint64) cli.Flag {
	return &cli.Uint64Flag{Name: "seed", Usage: "root `SEED` of every random stream", Value: 1, Destination: to}
}

// OutputFlag is --format of commands that print results.
func OutputFlag(to *string) cli.Flag {
	return &cli.StringFlag{Name: "format", Usage: "text, json or csv", Value: FormatText, Destination: to}
}

// CheckFormat refuses what OutputFlag does not offer.
func CheckFormat(format string) error {
	if !slices.Contains([]string{FormatText, FormatJSON, FormatCSV}, format) {
		return Usagef("--format %q is none of text, json, csv", format)
	}
	return nil
}

// ParseInts reads "128,160,224".
func ParseInts(flag, text string) ([]int, error) {
	var out []int
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil {
			return nil, Usagef("--%s: %q is not a whole number", flag, word)
		}
		out = append(out, n)
	}
	return out, nil
}

// SplitList reads "a,b,c" and refuses empty items.
func SplitList(flag, text string) ([]string, error) {
	items := strings.Split(text, ",")
	for i, item := range items {
		items[i] = strings.TrimSpace(item)
		if items[i] == "" {
			return nil, Usagef("--%s: item %d of %q is empty", flag, i+1, text)
		}
	}
	return items, nil
}

// Required returns a usage error for the first flag without a value; pairs are name, value.
func Required(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			return Usagef("--%s is required", pairs[i])
		}
	}
	return nil
}

// InRange returns a usage error unless low <= v <= high; flag is the name without dashes.
func InRange[T cmp.Ordered](flag string, v, low, high T) error {
	if v >= low && v <= high { // not if v is no number
		return nil
	}
	return Usagef("--%s %v is outside [%v, %v]", flag, v, low, high)
}

// NotNegative returns a usage error for a value below 0, or one that is no number.
func NotNegative[T ~int | ~int64 | ~float64](flag string, v T) error {
	if v >= 0 {
		return nil
	}
	return Usagef("--%s %v is negative, or no number", flag, v)
}

// ParamFlag is --param of commands that build a policy.
func ParamFlag(to *cli.StringSlice) cli.Flag {
	return &cli.StringSliceFlag{Name: "param", Usage: "parameter of the policy, `NAME=VALUE`; may be repeated", Destination: to}
}

// ParseParams reads the values of ParamFlag.
func ParseParams(items []string) (map[string]string, error) {
	params := map[string]string{}
	for _, item := range items {
		name, value, ok := strings.Cut(item, "=")
		if _, repeated := params[name]; !ok || repeated {
			return nil, Usagef("--param %q is not NAME=VALUE, or repeated", item)
		}
		params[name] = value
	}
	return params, nil
}
