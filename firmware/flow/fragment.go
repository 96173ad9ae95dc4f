package flow

// fragmentSlots is how many fragmented datagrams are remembered at once, and
// fragmentLife for how long: RFC 791, section 3.2 asks a host for at least 15
// seconds, Linux takes 30.
const (
	fragmentSlots = 1024
	fragmentLife  = int64(30e9)
)

// Fragments remembers the ports of fragmented datagrams, which only the first
// fragment has, so that the later ones count into the same flow. It is a
// fixed table: a datagram that falls on the place of another replaces it, and
// fragments that come before the first have no ports.
type Fragments struct {
	hasher Hasher
	slots  [fragmentSlots]fragmented
}

type fragmented struct {
	hash             uint64
	time             int64 // Unix ns of the first fragment
	srcPort, dstPort uint16
}

// NewFragments returns an empty Fragments.
func NewFragments() *Fragments { return &Fragments{hasher: NewHasher()} }

func (f *Fragments) slot(src, dst *[16]byte, proto uint8, id uint32) (*fragmented, uint64) {
	var k Key
	from := k.Set(src, dst, 0, 0, proto)
	k[4] |= uint64(id)<<32 | uint64(from)<<8
	hash := f.hasher.Hash(&k)
	return &f.slots[hash%fragmentSlots], hash
}

// Put remembers the ports of a first fragment.
func (f *Fragments) Put(src, dst *[16]byte, proto uint8, id uint32, srcPort, dstPort uint16, now int64) {
	s, hash := f.slot(src, dst, proto, id)
	*s = fragmented{hash, now, srcPort, dstPort}
}

// Get returns the ports of the datagram that a later fragment belongs to.
func (f *Fragments) Get(src, dst *[16]byte, proto uint8, id uint32, now int64) (srcPort, dstPort uint16, ok bool) {
	s, hash := f.slot(src, dst, proto, id)
	if s.hash != hash || now-s.time > fragmentLife {
		return 0, 0, false
	}
	return s.srcPort, s.dstPort, true
}
