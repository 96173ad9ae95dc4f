package bpf

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// EtherTypes and IP protocol numbers.
const (
	etherIP   = 0x0800
	etherARP  = 0x0806
	etherRARP = 0x8035
	etherVLAN = 0x8100
	etherQinQ = 0x88a8
	etherOld  = 0x9100 // QinQ before it had a number
	etherIPv6 = 0x86dd

	protoTCP      = 6
	protoUDP      = 17
	protoFragment = 44
	protoSCTP     = 132
)

// Words of a program's memory: offsets in the frame.
const (
	memHeader = iota // of the network header
	memType          // of the EtherType before it
)

// A test is a tree of instructions that ends in one of two places.
type test interface {
	// gen appends the code of the test, which goes on at one of the labels.
	gen(c *coder, yes, no label)
}

type label int

// A coder makes a program: instructions whose jumps go to labels, which are
// given places later.
type coder struct {
	code   []pending
	places []int // by label; -1 where it has none yet
}

type pending struct {
	Instruction
	yes, no label // of a conditional jump, and yes of a jump; else none
}

const none label = -1

func (c *coder) label() label {
	c.places = append(c.places, -1)
	return label(len(c.places) - 1)
}

func (c *coder) place(l label) { c.places[l] = len(c.code) }

func (c *coder) do(code uint16, k uint32) {
	c.code = append(c.code, pending{Instruction{Code: code, K: k}, none, none})
}

// branch goes to yes where A and k compare as code says, and else to no.
func (c *coder) branch(code uint16, k uint32, yes, no label) {
	c.code = append(c.code, pending{Instruction{Code: code, K: k}, yes, no})
}

// when goes to yes where A and k compare, and else on.
func (c *coder) when(code uint16, k uint32, yes label) {
	next := c.label()
	c.branch(code, k, yes, next)
	c.place(next)
}

// unless goes on where A and k compare, and else to no.
func (c *coder) unless(code uint16, k uint32, no label) {
	next := c.label()
	c.branch(code, k, next, no)
	c.place(next)
}

// goTo goes to l.
func (c *coder) goTo(l label) { c.branch(jeq, 0, l, l) }

// program makes a program of a test.
func program(t test) (Program, error) {
	c := new(coder)
	yes, no := c.label(), c.label()
	c.findHeader()
	t.gen(c, yes, no)
	c.place(yes)
	c.do(ret, 1<<18) // all of the frame
	c.place(no)
	c.do(ret, 0)
	if len(c.code) > MaxProgram {
		return nil, fmt.Errorf("it takes %d instructions, at most %d", len(c.code), MaxProgram)
	}
	p := make(Program, len(c.code))
	for i, in := range c.code {
		p[i] = in.Instruction
		if in.yes != none { // distances are below MaxProgram
			p[i].Jt, p[i].Jf = uint8(c.places[in.yes]-i-1), uint8(c.places[in.no]-i-1)
		}
	}
	return p, nil
}

// maxTags is how many VLAN tags in a frame are looked through.
const maxTags = 2

// findHeader notes where the network header is.
func (c *coder) findHeader() {
	found := c.label()
	for tags := range uint32(maxTags + 1) {
		c.do(ldxImm, 12+4*tags)
		c.do(stx, memType)
		c.do(ldxImm, 14+4*tags)
		c.do(stx, memHeader)
		if tags == maxTags {
			break
		}
		tagged := c.label()
		c.do(ldHalf, 12+4*tags)
		c.when(jeq, etherVLAN, tagged)
		c.when(jeq, etherQinQ, tagged)
		c.branch(jeq, etherOld, tagged, found)
		c.place(tagged)
	}
	c.place(found)
}

// ether goes on if the EtherType is typ, and to no if not. X is then the
// network header.
func (c *coder) ether(typ uint32, no label) {
	c.do(ldxMem, memType)
	c.do(ldHalfX, 0)
	c.unless(jeq, typ, no)
	c.do(ldxMem, memHeader)
}

// Tests of tests.
type (
	notTest struct{ of test }
	allOf   []test
	anyOf   []test
)

func (t notTest) gen(c *coder, yes, no label) { t.of.gen(c, no, yes) }

func (t allOf) gen(c *coder, yes, no label) {
	for _, one := range t[:len(t)-1] {
		next := c.label()
		one.gen(c, next, no)
		c.place(next)
	}
	t[len(t)-1].gen(c, yes, no)
}

func (t anyOf) gen(c *coder, yes, no label) {
	for _, one := range t[:len(t)-1] {
		next := c.label()
		one.gen(c, yes, next)
		c.place(next)
	}
	t[len(t)-1].gen(c, yes, no)
}

// etherTest takes an EtherType.
type etherTest uint32

func (t etherTest) gen(c *coder, yes, no label) {
	c.do(ldxMem, memType)
	c.do(ldHalfX, 0)
	c.branch(jeq, uint32(t), yes, no)
}

// protoTest takes a protocol over one version of IP.
type protoTest struct{ ether, proto uint32 }

func (t protoTest) gen(c *coder, yes, no label) {
	c.ether(t.ether, no)
	if t.ether == etherIP {
		c.do(ldByteX, 9)
		c.branch(jeq, t.proto, yes, no)
		return
	}
	c.do(ldByteX, 6)
	c.when(jeq, t.proto, yes)
	c.unless(jeq, protoFragment, no)
	c.do(ldByteX, 40)
	c.branch(jeq, t.proto, yes, no)
}

// wordsTest compares words behind the network header, or behind the beginning
// of the frame, under a mask.
type wordsTest struct {
	ether  uint32 // EtherType, or 0 for any: then at is in the frame
	at     uint32
	values []uint32
	masks  []uint32
}

func (t *wordsTest) gen(c *coder, yes, no label) {
	if t.ether != 0 {
		c.ether(t.ether, no)
	} else {
		c.do(ldxImm, 0)
	}
	for i, v := range t.values {
		if t.masks[i] == 0 {
			continue
		}
		c.do(ldWordX, t.at+4*uint32(i))
		if t.masks[i] != 1<<32-1 {
			c.do(and, t.masks[i])
		}
		c.unless(jeq, v&t.masks[i], no)
	}
	c.goTo(yes)
}

// prefixTest compares an address of the network header.
func prefixTest(ether, at uint32, p netip.Prefix) test {
	t := &wordsTest{ether: ether, at: at}
	addr, bits := p.Addr().AsSlice(), p.Bits()
	for ; len(addr) > 0; addr, bits = addr[4:], bits-32 {
		t.values = append(t.values, binary.BigEndian.Uint32(addr))
		t.masks = append(t.masks, uint32(^uint64(0)<<(32-min(max(bits, 0), 32))))
	}
	return t
}

// portTest takes packets with a port in a range, over protocols.
type portTest struct {
	ether     uint32
	protos    []uint32
	dir       string // src, dst, both, or empty for either
	low, high uint32
}

func (t *portTest) gen(c *coder, yes, no label) {
	c.ether(t.ether, no)
	at := uint32(9)
	if t.ether == etherIPv6 {
		at = 6
	}
	c.do(ldByteX, at)
	transport := c.label()
	for _, p := range t.protos[:len(t.protos)-1] {
		c.when(jeq, p, transport)
	}
	c.branch(jeq, t.protos[len(t.protos)-1], transport, no)
	c.place(transport)
	ports := uint32(40)
	if t.ether == etherIP {
		first := c.label()
		c.do(ldHalfX, 6)
		c.branch(jset, 0x1fff, no, first) // later fragments have no ports
		c.place(first)
		c.do(ldByteX, 0)
		c.do(and, 0xf)
		c.do(lsh, 2)
		c.do(addX, 0)
		c.do(tax, 0)
		ports = 0
	}
	second := c.label()
	switch t.dir {
	case "src":
		t.compare(c, ports, yes, no)
		return
	case "both":
		t.compare(c, ports, second, no)
	case "":
		t.compare(c, ports, yes, second)
	}
	c.place(second)
	t.compare(c, ports+2, yes, no)
}

func (t *portTest) compare(c *coder, at uint32, yes, no label) {
	c.do(ldHalfX, at)
	if t.low == t.high {
		c.branch(jeq, t.low, yes, no)
		return
	}
	c.unless(jge, t.low, no)
	c.branch(jgt, t.high, no, yes)
}

// vlanTest takes frames with a VLAN tag, of an id or of any.
type vlanTest struct {
	id  uint32
	any bool
}

func (t vlanTest) gen(c *coder, yes, no label) {
	inFrame := c.label()
	c.do(ldWord, adVLANPresent)
	if t.any {
		c.when(jset, 1, yes)
	} else {
		taken := c.label()
		c.branch(jset, 1, taken, inFrame)
		c.place(taken)
		c.do(ldWord, adVLANTag)
		c.do(and, 0xfff)
		c.when(jeq, t.id, yes)
	}
	c.place(inFrame)
	for tags := range uint32(maxTags) {
		tagged := c.label()
		c.do(ldHalf, 12+4*tags)
		c.when(jeq, etherVLAN, tagged)
		c.when(jeq, etherQinQ, tagged)
		c.branch(jeq, etherOld, tagged, no)
		c.place(tagged)
		if t.any {
			c.goTo(yes)
			return
		}
		c.do(ldHalf, 14+4*tags)
		c.do(and, 0xfff)
		if tags == maxTags-1 {
			c.branch(jeq, t.id, yes, no)
			return
		}
		c.when(jeq, t.id, yes)
	}
}

// macTest compares a hardware address of the frame.
func macTest(at uint32, mac []byte) test {
	high := uint32(mac[0])<<24 | uint32(mac[1])<<16 | uint32(mac[2])<<8 | uint32(mac[3])
	low := uint32(mac[4])<<24 | uint32(mac[5])<<16
	return &wordsTest{at: at, values: []uint32{high, low}, masks: []uint32{1<<32 - 1, 0xffff0000}}
}

// groupTest takes frames to a group.
type groupTest struct{}

func (groupTest) gen(c *coder, yes, no label) {
	c.do(ldByte, 0)
	c.branch(jset, 1, yes, no)
}

// lengthTest compares the length of the frame.
type lengthTest struct {
	code uint16
	n    uint32
}

func (t lengthTest) gen(c *coder, yes, no label) {
	c.do(ldLen, 0)
	c.branch(t.code, t.n, yes, no)
}
