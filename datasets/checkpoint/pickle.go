package checkpoint

import (
	"bufio"
	"encoding/binary"
	"io"
	"math"
)

// unpickler executes one pickle at a time, after pickletools' description of the opcodes. It is
// a stack machine that makes only the values above, and calls nothing but the functions of
// globals (see global.go).
type unpickler struct {
	r     *bufio.Reader
	pos   int64 // of the next byte
	op    int64 // of the opcode being executed
	end   int64 // of the last byte that a pickle may use, exclusive
	stack []any
	marks []int // heights of the stack at open MARKs
	memo  map[uint32]any
	// persistent resolves a persistent ID, which torch.save uses for storages. nil refuses them.
	persistent func(id tuple) (any, error)
}

// newUnpickler reads pickles from the bytes [pos, end) of r.
func newUnpickler(r io.ReaderAt, pos, end int64) *unpickler {
	return &unpickler{r: bufio.NewReader(io.NewSectionReader(r, pos, end-pos)), pos: pos, end: end}
}

// load executes the pickle at the current position and returns its value. Errors carry the position
// of the opcode they occurred in.
func (u *unpickler) load() (any, error) {
	u.stack, u.marks, u.memo = u.stack[:0], u.marks[:0], make(map[uint32]any)
	start := u.pos
	for ops := 0; ; ops++ {
		u.op = u.pos
		op, err := u.byte()
		if err == nil {
			switch {
			case ops == 0 && op != opProto:
				err = malformed("a pickle starts with PROTO, not with byte %#02x", op)
			case ops >= maxOps:
				err = tooLarge("the pickle has more than %d opcodes", maxOps)
			case u.op-start >= maxPickle:
				err = tooLarge("the pickle is longer than %d bytes", maxPickle)
			case op == opStop:
				v, err := u.stop()
				return v, at(u.op, err)
			default:
				err = u.execute(op)
			}
		}
		if err == nil && len(u.stack) > maxStack {
			err = tooLarge("the stack holds more than %d values", maxStack)
		}
		if err != nil {
			return nil, at(u.op, err)
		}
	}
}

func (u *unpickler) stop() (any, error) {
	if len(u.marks) > 0 || len(u.stack) != 1 {
		return nil, malformed("STOP with %d values and %d marks on the stack", len(u.stack), len(u.marks))
	}
	return u.stack[0], nil
}

// execute runs one opcode other than STOP.
func (u *unpickler) execute(op byte) error {
	switch op {
	case opMark:
		if len(u.marks) >= maxMarks {
			return tooLarge("more than %d nested marks", maxMarks)
		}
		u.marks = append(u.marks, len(u.stack))
		return nil
	case opBinPut, opLongBinPut, opBinGet, opLongBinGet:
		return u.remember(op)
	case opTuple, opTuple1, opTuple2, opTuple3:
		return u.tuple(op)
	case opAppend, opAppends, opSetItem, opSetItems:
		return u.fill(op)
	case opBinPersID, opReduce, opBuild:
		return u.construct(op)
	case opProto:
		version, err := u.byte()
		if err == nil && version != 2 {
			err = refused("pickle protocol %d (torch.save writes 2)", version)
		}
		return err
	}
	v, err := u.literal(op)
	if err == nil {
		u.stack = append(u.stack, v)
	}
	return err
}

// literal returns the value of an opcode that does nothing but push one.
func (u *unpickler) literal(op byte) (any, error) {
	switch op {
	case opNone:
		return nil, nil
	case opNewTrue:
		return true, nil
	case opNewFalse:
		return false, nil
	case opEmptyDict:
		return new(dict), nil
	case opEmptyList:
		return new(list), nil
	case opEmptyTuple:
		return tuple(nil), nil
	case opBinInt:
		n, err := u.uint(4)
		return int64(int32(n)), err
	case opBinInt1:
		n, err := u.uint(1)
		return int64(n), err
	case opBinInt2:
		n, err := u.uint(2)
		return int64(n), err
	case opLong1:
		return u.long()
	case opBinFloat:
		b, err := u.bytes(8)
		if err != nil {
			return nil, err
		}
		return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
	case opShortBinString:
		return u.string(1)
	case opBinString, opBinUnicode:
		return u.string(4)
	case opGlobal:
		return u.global()
	}
	if name, ok := otherOpcodes[op]; ok {
		return nil, refused("refuses to execute opcode %s, which torch.save does not write", name)
	}
	return nil, malformed("no opcode: byte %#02x", op)
}

// remember executes the opcodes of the memo.
func (u *unpickler) remember(op byte) error {
	width := 1
	if op == opLongBinPut || op == opLongBinGet {
		width = 4
	}
	n, err := u.uint(width)
	if err != nil {
		return err
	}
	if op == opBinPut || op == opLongBinPut {
		top, err := u.pop(1)
		if err != nil {
			return err
		}
		u.memo[n] = top[0]
		u.stack = append(u.stack, top[0])
		return nil
	}
	v, ok := u.memo[n]
	if !ok {
		return malformed("nothing is in memo %d", n)
	}
	u.stack = append(u.stack, v)
	return nil
}

func (u *unpickler) tuple(op byte) error {
	var items []any
	var err error
	if op == opTuple {
		items, err = u.popMark()
	} else {
		items, err = u.pop(int(op) - opTuple1 + 1)
	}
	if err == nil {
		u.stack = append(u.stack, append(tuple(nil), items...))
	}
	return err
}

// fill executes the opcodes that add to the container on the stack.
func (u *unpickler) fill(op byte) error {
	var items []any
	var err error
	switch op {
	case opAppend:
		items, err = u.pop(1)
	case opSetItem:
		items, err = u.pop(2)
	default:
		items, err = u.popMark()
	}
	if err != nil {
		return err
	}
	items = append([]any(nil), items...)
	container, err := u.pop(1)
	if err != nil {
		return err
	}
	switch c := container[0].(type) {
	case *list:
		if op != opAppend && op != opAppends {
			return malformed("an item is set in a list")
		}
		c.items = append(c.items, items...)
	case *dict:
		if op != opSetItem && op != opSetItems {
			return malformed("an item is appended to a dict")
		}
		if len(items)%2 != 0 {
			return malformed("a key without a value")
		}
		for i := 0; i < len(items); i += 2 {
			if err := c.set(items[i], items[i+1]); err != nil {
				return err
			}
		}
	default:
		return refused("refuses to fill an object of type %s", typeName(c))
	}
	u.stack = append(u.stack, container[0])
	return nil
}

// construct executes the opcodes through which a pickle asks for objects.
func (u *unpickler) construct(op byte) error {
	if op == opBinPersID {
		id, err := u.pop(1)
		if err != nil {
			return err
		}
		key, ok := id[0].(tuple)
		if !ok || u.persistent == nil {
			return refused("a persistent ID of type %s", typeName(id[0]))
		}
		v, err := u.persistent(key)
		u.stack = append(u.stack, v)
		return err
	}
	pair, err := u.pop(2)
	if err != nil {
		return err
	}
	if op == opBuild {
		// state_dict() hangs the versions of the modules on its OrderedDict, as attribute _metadata.
		_, isDict := pair[0].(*dict)
		if _, hasDict := pair[1].(*dict); !isDict || !hasDict {
			return refused("refuses to set the state of a %s to a %s", typeName(pair[0]), typeName(pair[1]))
		}
		u.stack = append(u.stack, pair[0])
		return nil
	}
	g, ok := pair[0].(*global)
	if !ok || g.call == nil {
		return refused("refuses to call a %s", typeName(pair[0]))
	}
	args, ok := pair[1].(tuple)
	if !ok {
		return malformed("%s is called with a %s, not a tuple", g, typeName(pair[1]))
	}
	v, err := g.call(args)
	if err != nil {
		return err
	}
	if t, ok := v.(*tensor); ok {
		t.view.at = u.op
	}
	u.stack = append(u.stack, v)
	return nil
}

// pop takes n values off the stack, above the innermost mark. The result is valid until the next
// push.
func (u *unpickler) pop(n int) ([]any, error) {
	floor := 0
	if len(u.marks) > 0 {
		floor = u.marks[len(u.marks)-1]
	}
	if len(u.stack)-n < floor {
		return nil, malformed("the stack holds %d values where %d are needed", len(u.stack)-floor, n)
	}
	top := u.stack[len(u.stack)-n:]
	u.stack = u.stack[:len(u.stack)-n]
	return top, nil
}

// popMark takes the values above the innermost mark, and the mark.
func (u *unpickler) popMark() ([]any, error) {
	if len(u.marks) == 0 {
		return nil, malformed("no mark is on the stack")
	}
	items, err := u.pop(len(u.stack) - u.marks[len(u.marks)-1])
	u.marks = u.marks[:len(u.marks)-1]
	return items, err
}
