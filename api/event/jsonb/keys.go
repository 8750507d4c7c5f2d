package jsonb

import (
	"bytes"
	"hash/maphash"
)

// pairwise is up to how many members comparing every pair beats hashing: measured by BenchmarkUniqueKeys.
const pairwise = 4

// keySet finds repeated names among the members of one object. Its memory is reused from object to object.
type keySet struct {
	seed  maphash.Seed // unknown to clients, who could otherwise choose names that collide
	slots []int32      // open addressing: the node of a key, or 0
	a, b  []byte       // names decoded from escapes
}

// repeated returns the first key of an object of count members that occurred before.
func (k *keySet) repeated(object Value, count int) (Value, bool) {
	if count < 2 {
		return Value{}, false
	}
	if count > pairwise {
		return k.hashed(object, count)
	}
	for key := range object.Members {
		name := k.decode(&k.a, key)
		for other := range object.Members {
			if other.at == key.at {
				break
			}
			if k.same(name, other) {
				return key, true
			}
		}
	}
	return Value{}, false
}

func (k *keySet) hashed(object Value, count int) (Value, bool) {
	if k.seed == (maphash.Seed{}) {
		k.seed = maphash.MakeSeed()
	}
	size := 2 * pairwise
	for size < 2*count { // at most half full
		size *= 2
	}
	if cap(k.slots) < size {
		k.slots = make([]int32, size)
	}
	slots := k.slots[:size]
	clear(slots)
	for key := range object.Members {
		name := k.decode(&k.a, key)
		slot := int(maphash.Bytes(k.seed, name) & uint64(size-1))
		for ; slots[slot] != 0; slot = (slot + 1) & (size - 1) {
			if k.same(name, Value{object.doc, slots[slot]}) {
				return key, true
			}
		}
		slots[slot] = key.at
	}
	return Value{}, false
}

func (k *keySet) same(name []byte, other Value) bool {
	if n := other.node(); !n.escaped && int(n.end-n.start)-2 != len(name) {
		return false
	}
	return bytes.Equal(name, k.decode(&k.b, other))
}

// decode returns a key's name: the source's own bytes where no escape needs decoding, else scratch.
func (k *keySet) decode(scratch *[]byte, key Value) []byte {
	name := key.text(*scratch)
	if key.node().escaped {
		*scratch = name
	}
	return name
}
