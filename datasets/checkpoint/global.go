package checkpoint

import "strings"

// global is a class or function that a pickle may name.
type global struct {
	module, name string
	storage      *dtype                        // the data type of a storage class, or nil
	call         func(args tuple) (any, error) // nil if it may not be called
}

func (g *global) String() string { return g.module + "." + g.name }

// storage is a run of elements somewhere in the file; where, the container of the pickle knows.
type storage struct {
	key   string
	dtype *dtype
	numel int64
	base  int64 // position of its first byte in the file, once it is known
	found bool  // base is set
	at    int64 // position in the pickle of the first mention
}

// functions are the callables a pickle may use, besides none at all for the storage classes.
var functions = []*global{
	{module: "collections", name: "OrderedDict", call: orderedDict},
	{module: "torch._utils", name: "_rebuild_tensor", call: rebuildTensor},
	{module: "torch._utils", name: "_rebuild_tensor_v2", call: rebuildTensorV2},
	{module: "torch._utils", name: "_rebuild_parameter", call: rebuildParameter},
}

// findGlobal returns the class or function of a name, or nil if it is not one of tensors.
func findGlobal(module, name string) *global {
	for _, g := range functions {
		if g.module == module && g.name == name {
			return g
		}
	}
	if d := dtypeBy(func(d *dtype) bool { return d.storage == name }); d != nil && module == "torch" {
		return &global{module: module, name: name, storage: d}
	}
	return nil
}

// orderedDict is OrderedDict(), or OrderedDict([[key, value], ...]) as Python 2 pickles it.
func orderedDict(args tuple) (any, error) {
	d := new(dict)
	if len(args) == 0 {
		return d, nil
	}
	pairs, ok := args[0].(*list)
	if !ok || len(args) != 1 {
		return nil, malformed("OrderedDict is called with %s", signature(args))
	}
	for _, p := range pairs.items {
		var pair []any
		switch p := p.(type) {
		case *list:
			pair = p.items
		case tuple:
			pair = p
		}
		if len(pair) != 2 {
			return nil, malformed("OrderedDict is called with a list of %s", typeName(p))
		}
		if err := d.set(pair[0], pair[1]); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// rebuildTensor is _rebuild_tensor(storage, storage_offset, size, stride).
func rebuildTensor(args tuple) (any, error) {
	if len(args) != 4 {
		return nil, malformed("_rebuild_tensor is called with %s", signature(args))
	}
	return newTensor(args)
}

// rebuildTensorV2 is _rebuild_tensor_v2(storage, storage_offset, size, stride, requires_grad,
// backward_hooks, metadata=None). The metadata of torch 1.12 and later marks lazily conjugated and
// negated tensors.
func rebuildTensorV2(args tuple) (any, error) {
	if len(args) != 6 && len(args) != 7 {
		return nil, malformed("_rebuild_tensor_v2 is called with %s", signature(args))
	}
	if hooks, ok := args[5].(*dict); args[5] != nil && !(ok && len(hooks.keys) == 0) {
		return nil, refused("a tensor with backward hooks")
	}
	if len(args) == 7 {
		if metadata, ok := args[6].(*dict); args[6] != nil && !(ok && len(metadata.keys) == 0) {
			return nil, refused("a tensor with metadata (conjugated or negated)")
		}
	}
	return newTensor(args)
}

func newTensor(args tuple) (any, error) {
	s, isStorage := args[0].(*storage)
	offset, isInt := args[1].(int64)
	shape, hasShape := integers(args[2])
	stride, hasStride := integers(args[3])
	if !isStorage || !isInt || !hasShape || !hasStride {
		return nil, malformed("a tensor is constructed with %s", signature(args))
	}
	v, err := newView(s.dtype, s.numel, offset, shape, stride)
	if err != nil {
		return nil, err
	}
	return &tensor{storage: s, view: v}, nil
}

// rebuildParameter is _rebuild_parameter(data, requires_grad, backward_hooks).
func rebuildParameter(args tuple) (any, error) {
	if len(args) == 3 {
		if t, ok := args[0].(*tensor); ok {
			return t, nil
		}
	}
	return nil, malformed("_rebuild_parameter is called with %s", signature(args))
}

// tensor is a view on a storage whose position is not known yet.
type tensor struct {
	storage *storage
	view    *view
}

// integers returns the items of a tuple of integers.
func integers(v any) ([]int64, bool) {
	t, ok := v.(tuple)
	if !ok || len(t) > maxDims+1 { // one beyond the limit, which newView then reports
		return nil, false
	}
	ints := make([]int64, len(t))
	for i, item := range t {
		if ints[i], ok = item.(int64); !ok {
			return nil, false
		}
	}
	return ints, true
}

// signature describes arguments by their types.
func signature(args tuple) string {
	names := make([]string, min(len(args), 9))
	for i := range names {
		names[i] = typeName(args[i])
	}
	if len(args) > len(names) {
		names[len(names)-1] = "..."
	}
	return "(" + strings.Join(names, ", ") + ")"
}
