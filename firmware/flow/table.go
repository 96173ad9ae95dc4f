// Package flow joins packets to flows: both directions of one 5-tuple, from
// the first frame to a timeout.
//
// A Table is made of two flat parts whose size is fixed at start: slots of
// eight bytes (a tag of the hash and an index) and a slab of records without
// pointers. A packet costs one hash, one probe and one record; the garbage
// collector sees nothing. A full table evicts the flow that would end soonest
// and counts it. Time is the time of packets, by the seconds of a Clock. Who sends packets cannot choose
// collisions: the hash is keyed.
//
// A Table belongs to one goroutine.
package flow

import (
	"math/bits"
	"time"
)

// IP protocol numbers and TCP flags that make a difference here.
const (
	protoICMP   = 1
	protoTCP    = 6
	protoUDP    = 17
	protoICMPv6 = 58

	flagFIN = 0x01
	flagSYN = 0x02
	flagRST = 0x04
	flagACK = 0x10
)

// Reason says why a flow was reported.
type Reason uint8

const (
	Idle    Reason = iota + 1 // no packet for too long
	Active                    // goes on, and has for too long without a report
	Fin                       // closed by both ends
	Rst                       // reset
	Evicted                   // the table was full
	End                       // the sensor stops, or the file ends
)

var reasonNames = [...]string{"", "idle", "active", "fin", "rst", "evicted", "end"}

func (r Reason) String() string { return reasonNames[r] }

// Options shape a Table. Zero values are the defaults.
type Options struct {
	Capacity int           // flows at once; 65536
	Idle     time.Duration // 1 minute, as Zeek has for UDP and ICMP
	IdleTCP  time.Duration // of a connection that was answered; 5 minutes, as Zeek
	Active   time.Duration // longest time without a report; 30 minutes, as IPFIX exporters
	Linger   time.Duration // after FIN or RST; 5 seconds, as Zeek
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	if o.Capacity == 0 {
		o.Capacity = 1 << 16
	}
	def(&o.Idle, time.Minute)
	def(&o.IdleTCP, 5*time.Minute)
	def(&o.Active, 30*time.Minute)
	def(&o.Linger, 5*time.Second)
	return o
}

// A Packet is what a Table is told of one packet.
type Packet struct {
	Key       Key
	Hash      uint64 // of Key, by Table.Hasher
	Time      int64  // Unix ns
	ID        uint64 // the ID of the flow, if this packet creates it
	Tick      uint32 // of a Clock
	WireLen   uint32
	Payload   uint32 // bytes on the wire
	Seq       uint32 // of TCP
	Ack       uint32 // of TCP
	Window    uint16 // of TCP
	VLAN      uint16
	InnerVLAN uint16
	From      uint8 // end of Key that sent it
	Flags     uint8 // of TCP
	TTL       uint8
	TOS       uint8
	ICMP      uint8 // type
	Code      uint8 // of ICMP
}

// Stats count what a Table did.
type Stats struct {
	Active  uint64 // flows in the table
	Created uint64
	Ended   [End + 1]uint64 // by reason; Active does not end a flow
}

// A Table holds the flows of one shard.
type Table struct {
	Hasher Hasher

	ended   func(*Record, Reason)
	slots   []uint64 // tag << 32 | index + 1, 0 for empty
	mask    uint32
	records []Record
	unused  uint32 // first free record + 1, linked by next
	fresh   uint32 // records from here on were never used, so their memory was never touched
	wheel   [wheelSize]uint32
	stats   Stats
	clock   uint32 // tick of a Clock
	sink    uint64 // keeps Touch from being optimised away

	idle, idleTCP, active, linger uint32 // seconds
}

// New returns an empty Table. It calls report for each flow that ends, or
// goes on for long; the record is valid during the call.
func New(opts Options, report func(*Record, Reason)) *Table {
	opts = opts.withDefaults()
	size := 1 << bits.Len(uint(opts.Capacity*2-1)) // at most half full
	return &Table{
		Hasher:  NewHasher(),
		ended:   report,
		slots:   make([]uint64, size),
		mask:    uint32(size - 1),
		records: make([]Record, opts.Capacity),
		idle:    seconds(opts.Idle),
		idleTCP: seconds(opts.IdleTCP),
		active:  seconds(opts.Active),
		linger:  seconds(opts.Linger),
	}
}

func seconds(d time.Duration) uint32 { return uint32(max(d/time.Second, 1)) }

// Stats returns the table's counters.
func (t *Table) Stats() Stats { return t.stats }

// Touch brings the slots and records of a batch of packets into the cache:
// the loads of one loop overlap, where those of one packet after the other
// would each be waited for.
func (t *Table) Touch(packets []Packet) {
	var sum uint64
	for i := range packets {
		sum += t.slots[tagOf(packets[i].Hash)&t.mask]
	}
	for i := range packets {
		tag := tagOf(packets[i].Hash)
		if s := t.slots[tag&t.mask]; uint32(s>>32) == tag && s != 0 {
			r := &t.records[uint32(s)-1]
			sum += r.Key[0] + r.Sides[0].Packets + uint64(r.Sides[1].TTL)
		}
	}
	t.sink += sum
}

func tagOf(hash uint64) uint32 { return uint32(hash >> 32) }

// Update counts a packet into its flow, which it creates if need be. The
// record is valid until the next call of Update or Advance.
func (t *Table) Update(p *Packet) (r *Record, created bool) {
	t.Advance(p.Tick)
	_, i := t.find(p)
	if i != 0 && t.records[i-1].closed != 0 && p.Flags&(flagSYN|flagACK) == flagSYN {
		t.end(i-1, Reason(t.records[i-1].closed)) // the ports are used again
		i = 0
	}
	if i == 0 {
		if t.unused == 0 && int(t.fresh) == len(t.records) {
			t.evict()
		}
		slot, _ := t.find(p) // after evictions and ends, which move slots
		i, created = t.create(slot, p), true
	}
	r = &t.records[i-1]
	r.Last, r.touched = max(r.Last, p.Time), t.clock
	r.count(p)
	switch {
	case r.Key.Proto() == protoTCP:
		if p.Flags&(flagSYN|flagFIN|flagRST) != 0 || r.Sides[p.From].state() == inactive {
			t.handshake(i-1, p)
		}
		r.segment(p)
	case p.Payload > 0:
		r.note(p.From, sentData)
	}
	if created {
		t.schedule(i - 1)
	}
	return r, created
}

// Has reports whether the packet's flow is in the table.
func (t *Table) Has(p *Packet) bool {
	_, i := t.find(p)
	return i != 0
}

// find returns the slot of a packet's flow and the flow's index + 1, or an
// empty slot and 0.
func (t *Table) find(p *Packet) (slot, index uint32) {
	tag := tagOf(p.Hash)
	for at := tag & t.mask; ; at = (at + 1) & t.mask {
		s := t.slots[at]
		if s == 0 {
			return at, 0
		}
		if uint32(s>>32) == tag && t.records[uint32(s)-1].Key.is(&p.Key) {
			return at, uint32(s)
		}
	}
}

// create takes a free record for the flow that p begins.
func (t *Table) create(slot uint32, p *Packet) uint32 {
	i := t.unused
	if i == 0 {
		t.fresh++
		i = t.fresh
	}
	r := &t.records[i-1]
	if i == t.unused {
		t.unused = r.next
	}
	*r = Record{
		Key: p.Key, First: p.Time, Last: p.Time, ID: p.ID, began: t.clock,
		Client: p.From, VLAN: p.VLAN, InnerVLAN: p.InnerVLAN,
	}
	if proto := p.Key.Proto(); proto == protoICMP || proto == protoICMPv6 {
		r.rtt = uint32(p.ICMP)<<8 | uint32(p.Code)
	}
	if p.fromServer() {
		r.turn(1 - p.From)
	}
	t.slots[slot] = uint64(tagOf(p.Hash))<<32 | uint64(i)
	t.stats.Created++
	t.stats.Active++
	return i
}

// report tells the caller of record i, unless nothing came since the last
// report.
func (t *Table) report(i uint32, why Reason) {
	t.stats.Ended[why]++
	if r := &t.records[i]; r.Sides[0].Packets+r.Sides[1].Packets > 0 {
		t.ended(r, why)
	}
}

// end reports record i and frees it.
func (t *Table) end(i uint32, why Reason) {
	t.unschedule(i)
	t.report(i, why)
	t.free(i)
}

// free gives record i back and closes the gap in its run of slots.
func (t *Table) free(i uint32) {
	r := &t.records[i]
	tag := tagOf(t.Hasher.Hash(&r.Key))
	at := tag & t.mask
	for uint32(t.slots[at]) != i+1 {
		at = (at + 1) & t.mask
	}
	for next := (at + 1) & t.mask; t.slots[next] != 0; next = (next + 1) & t.mask {
		home := uint32(t.slots[next]>>32) & t.mask
		if (next-home)&t.mask >= (next-at)&t.mask {
			t.slots[at] = t.slots[next]
			at = next
		}
	}
	t.slots[at] = 0
	r.next = t.unused
	t.unused = i + 1
	t.stats.Active--
}

// Flush ends every flow.
func (t *Table) Flush() {
	for b := range t.wheel {
		for t.wheel[b] != 0 {
			i := t.wheel[b] - 1
			t.end(i, t.records[i].ended(End))
		}
	}
}
