package supernet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// family is a kind of published supernets. Its members have names that say everything.
type family struct {
	prefix  string    // of the name, before the widths
	authors string    // the same in OFA's model zoo
	widths  []float64 // those that a name without widths means; nil: a name has one width
}

var (
	familyMobileNetV3 = &family{prefix: "ofa-mbv3", authors: "ofa_mbv3_d234_e346_k357"}

	familyProxylessNAS = &family{prefix: "ofa-proxyless", authors: "ofa_proxyless_d234_e346_k357"}

	familyResNet50 = &family{prefix: "ofa-resnet50", authors: "ofa_resnet50", widths: []float64{0.65, 0.8, 1}}
)

const (
	defaultClasses = 1000
	classSeparator = "-c"
	knownNames     = "ofa-mbv3-w<width>, ofa-proxyless-w<width>, ofa-resnet50[-w<width>,<width>...], with -c<classes> behind for others than 1000; fashion-mbv3"
)

// name returns the name of a member.
func (f *family) name(widths []float64, classes int) string {
	name := f.prefix
	if !slices.Equal(widths, f.widths) {
		texts := make([]string, len(widths))
		for i, w := range widths {
			if texts[i] = strconv.FormatFloat(w, 'f', -1, 64); !strings.Contains(texts[i], ".") {
				texts[i] += ".0"
			}
		}
		name += "-w" + strings.Join(texts, ",")
	}
	if classes != defaultClasses {
		name += classSeparator + strconv.Itoa(classes)
	}
	return name
}

// ByName returns the space of a name: "ofa-mbv3-w1.2" and "ofa-proxyless-w1.3" (any width),
// "ofa-resnet50" ("ofa-resnet50-w0.65,0.8,1.0" is the same), with "-c10" appended for another
// number of classes than 1000; "fashion-mbv3" (see FashionMobileNetV3); OFA's own "ofa_mbv3_d234_e346_k357_w1.2",
// "ofa_proxyless_d234_e346_k357_w1.3" and "ofa_resnet50".
func ByName(name string) (*Space, error) {
	if name == fashionName {
		return FashionMobileNetV3(), nil
	}
	for _, f := range []*family{familyMobileNetV3, familyProxylessNAS, familyResNet50} {
		for _, form := range [][2]string{{f.prefix, "-w"}, {f.authors, "_w"}} {
			if rest, ok := strings.CutPrefix(name, form[0]); ok {
				s, err := f.parse(rest, form[1])
				if err != nil {
					return nil, fmt.Errorf("supernet: space %q: %w", name, err)
				}
				return s, nil
			}
		}
	}
	return nil, fmt.Errorf("supernet: unknown space %q; known are %s", name, knownNames)
}

// parse reads what follows the prefix of a name; separator stands before the widths.
func (f *family) parse(text, separator string) (*Space, error) {
	classes := defaultClasses
	if before, c, found := strings.Cut(text, classSeparator); found {
		n, err := strconv.Atoi(c)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number of classes", c)
		}
		text, classes = before, n
	}
	widths := f.widths
	if text != "" || widths == nil {
		list, ok := strings.CutPrefix(text, separator)
		if !ok {
			return nil, fmt.Errorf("%q is not a width multiplier; known are %s", text, knownNames)
		}
		widths = nil
		for item := range strings.SplitSeq(list, ",") {
			w, err := strconv.ParseFloat(item, 64)
			if err != nil {
				return nil, fmt.Errorf("%q is not a width multiplier", item)
			}
			widths = append(widths, w)
		}
	}
	switch f {
	case familyResNet50:
		return OFAResNet50(widths, classes)
	case familyProxylessNAS:
		return oneWidth(OFAProxylessNAS, widths, classes)
	}
	return oneWidth(OFAMobileNetV3, widths, classes)
}

func oneWidth(space func(float64, int) (*Space, error), widths []float64, classes int) (*Space, error) {
	if len(widths) != 1 {
		return nil, fmt.Errorf("%d width multipliers, want one", len(widths))
	}
	return space(widths[0], classes)
}
