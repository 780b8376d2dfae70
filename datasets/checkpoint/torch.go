package checkpoint

// storages are the runs of elements that a pickle mentions, in the order of first mention.
type storages struct {
	byKey map[string]*storage
	order []*storage
}

// resolve is a persistent ID of torch.save: ("storage", class, key, location, elements), and in the
// legacy format a sixth item for storages that were slices of others before torch 0.4.
func (s *storages) resolve(id tuple, pos int64) (any, error) {
	if len(id) < 5 || len(id) > 6 {
		return nil, malformed("a persistent ID of %s", signature(id))
	}
	if kind, _ := id[0].(string); kind != "storage" {
		return nil, refused("refuses to construct a %.40q", kind)
	}
	class, isClass := id[1].(*global)
	key, isKey := id[2].(string)
	numel, isInt := id[4].(int64)
	if !isClass || class.storage == nil || !isKey || !isInt {
		return nil, malformed("a storage is described by %s", signature(id))
	}
	if len(id) == 6 && id[5] != nil {
		return nil, refused("a storage that is a slice of another one (torch before 0.4)")
	}
	if numel < 0 || numel > maxFile {
		return nil, malformed("storage %.40q has %d elements", key, numel)
	}
	if old, ok := s.byKey[key]; ok {
		if old.dtype != class.storage || old.numel != numel {
			return nil, malformed("storage %.40q is described twice, differently", key)
		}
		return old, nil
	}
	st := &storage{key: key, dtype: class.storage, numel: numel, at: pos}
	if s.byKey == nil {
		s.byKey = make(map[string]*storage)
	}
	s.byKey[key] = st
	s.order = append(s.order, st)
	return st, nil
}

// unpickle executes the pickle of a checkpoint proper and returns its root.
func (s *storages) unpickle(u *unpickler) (any, error) {
	u.persistent = func(id tuple) (any, error) { return s.resolve(id, u.op) }
	defer func() { u.persistent = nil }()
	return u.load()
}

// place sets where a storage is. The n bytes there must be what its description says.
func (s *storage) place(base, n int64) error {
	if n != s.numel*s.dtype.size {
		return malformed("storage %.40q takes %d bytes for %d elements of %s", s.key, n, s.numel, s.dtype.name)
	}
	s.base, s.found = base, true
	return nil
}

// stateDict returns the tensors of a checkpoint's root: a state dict, or a dict that has one under
// the key "state_dict". Plain numbers in a state dict count as scalars; anything else there is an
// error, because skipping it would hide that something is missing.
func stateDict(root any, entry string) ([]view, error) {
	d, ok := root.(*dict)
	if !ok {
		return nil, within(entry, at(-1, malformed("holds a %s, not a state dict", typeName(root))))
	}
	if inner, ok := d.get("state_dict"); ok {
		if d, ok = inner.(*dict); !ok {
			return nil, within(entry, at(-1, malformed("state_dict is a %s", typeName(inner))))
		}
	}
	views := make([]view, 0, len(d.keys))
	for i, key := range d.keys {
		name, ok := key.(string)
		if !ok {
			return nil, within(entry, at(-1, malformed("the state dict has the key %v, which is no name", key)))
		}
		var v view
		switch value := d.values[i].(type) {
		case *tensor:
			v = *value.view
			v.base = value.storage.base
		case int64:
			v = view{literal: float32(value), kind: "int64", numel: 1}
		case float64:
			v = view{literal: float32(value), kind: "float64", numel: 1}
		case bool:
			v = view{kind: "bool", numel: 1}
			if value {
				v.literal = 1
			}
		default:
			return nil, within(entry, at(-1, malformed("%.200q is a %s, not a tensor", name, typeName(value))))
		}
		v.name, v.entry = name, entry
		views = append(views, v)
	}
	return views, nil
}
