package checkpoint

import "fmt"

// The values an unpickler makes, besides nil, bool, int64, float64 and string. Containers may
// contain themselves: nothing walks through them recursively.
type (
	tuple []any
	list  struct{ items []any }
	// dict is a dict or an OrderedDict; both keep insertion order.
	dict struct {
		keys   []any // string or int64
		values []any
		index  map[any]int
	}
	// long is an integer beyond int64, little-endian two's complement. Only PyTorch's magic number
	// is one.
	long string
)

func (d *dict) get(key string) (any, bool) {
	i, ok := d.index[key]
	if !ok {
		return nil, false
	}
	return d.values[i], true
}

// set adds an item. A Python dict cannot hold a key twice, so a pickle that sets one twice was not
// written by Python.
func (d *dict) set(key, value any) error {
	switch key.(type) {
	case string, int64:
	default:
		return refused("a key of type %s", typeName(key))
	}
	if _, ok := d.index[key]; ok {
		return malformed("key %.200q occurs twice", fmt.Sprint(key))
	}
	if d.index == nil {
		d.index = make(map[any]int)
	}
	d.index[key] = len(d.keys)
	d.keys = append(d.keys, key)
	d.values = append(d.values, value)
	return nil
}

// typeName returns the Python name of a value's type.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64, long:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case tuple:
		return "tuple"
	case *list:
		return "list"
	case *dict:
		return "dict"
	case *global:
		return v.String()
	case *storage:
		return "Storage"
	case *tensor:
		return "Tensor"
	}
	return fmt.Sprintf("%T", v)
}
