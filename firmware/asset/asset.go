// Package asset gathers what devices say of themselves into one record each.
//
// Notes take the facts out of records as they are made, and a Table learns
// them. There may be Notes for each of several meters, and one Table for them
// all: what it makes of the same facts does not depend on who noted them.
//
// A device is a hardware address. Addresses are bound to it by the protocols
// that exist to do so, ARP, neighbour discovery and DHCP, and never by plain
// traffic, whose hardware address is often a router's. Everything else that a
// record tells of an address, a name, a service, a system, goes to the device
// that has the address, if one does.
//
// A Table has a bound; when it is full the device that was found first goes.
package asset

import (
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/taproot-sensor/taproot/wire/record"
)

const (
	maxDevices = 8192
	maxValues  = 16 // of one list of a device
	maxText    = 256

	// maxDeviceText bounds the texts of one device: busy ones have 1 KiB.
	maxDeviceText = 2 << 10

	// settle is how long a device that changed is watched before it is
	// written, so that what it says when it boots becomes one record.
	settle = 30 * time.Second

	// repeat is how often a device that is there is written anyway.
	repeat = time.Hour
)

// A device is a record in the making.
type device struct {
	rec     record.Asset
	place   int   // in Table.order
	changed int64 // Unix ns since when rec has news, 0 for none
	written int64
	text    int // bytes of the texts of rec
}

// wake returns when the device is to be written, in Unix ns.
func (d *device) wake() int64 {
	switch {
	case d.changed != 0:
		return d.changed + int64(settle)
	case int64(d.rec.Last) > d.written:
		return d.written + int64(repeat)
	}
	return math.MaxInt64
}

// A Table holds the devices. It is not for concurrent use.
type Table struct {
	report  func(*record.Asset)
	devices map[record.HardwareAddr]*device
	order   []*device // ring of all devices, by when they were found
	wakes   []int64   // when each is to be written: many are asked, few are due
	oldest  int
	byAddr  map[netip.Addr]record.HardwareAddr
	hand    int   // in order: who is looked at next by Advance
	looked  int64 // Unix ns of its last round
}

// NewTable returns an empty Table that calls report for every record. The
// record is valid during the call.
func NewTable(report func(*record.Asset)) *Table {
	return &Table{
		report:  report,
		devices: make(map[record.HardwareAddr]*device),
		byAddr:  make(map[netip.Addr]record.HardwareAddr),
	}
}

// device returns the device of a hardware address, or nil for one that can be
// nobody's.
func (t *Table) device(now record.Nanos, mac record.HardwareAddr) *device {
	if mac == (record.HardwareAddr{}) || mac[0]&1 != 0 { // none, or a group's
		return nil
	}
	d := t.devices[mac]
	if d == nil {
		d = &device{rec: record.Asset{MAC: mac, MACVendor: Vendor(mac), First: now}, changed: int64(now)}
		if len(t.order) < maxDevices {
			d.place = len(t.order)
			t.order, t.wakes = append(t.order, d), append(t.wakes, d.wake())
		} else {
			t.forget(t.order[t.oldest].rec.MAC)
			d.place = t.oldest
			t.order[t.oldest], t.wakes[t.oldest] = d, d.wake()
			t.oldest = (t.oldest + 1) % maxDevices
		}
		t.devices[mac] = d
	}
	t.due(d, int64(now))
	return d
}

// of returns the device that has an address, or nil.
func (t *Table) of(now record.Nanos, addr netip.Addr) *device {
	mac, ok := t.byAddr[addr]
	if !ok {
		return nil
	}
	return t.device(now, mac)
}

// bind says that d uses an address.
func (t *Table) bind(now record.Nanos, d *device, addr netip.Addr) {
	if d == nil || !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() || addr.IsLoopback() {
		return
	}
	mac, ok := t.byAddr[addr]
	if ok && mac == d.rec.MAC { // it is among its addresses
		return
	}
	if ok {
		if was := t.devices[mac]; was != nil { // it has moved
			t.due(was, int64(now))
			was.rec.Addrs = slices.DeleteFunc(was.rec.Addrs, func(s string) bool { return s == addr.String() })
			was.change(now)
			t.wakes[was.place] = was.wake()
		}
	}
	t.byAddr[addr] = d.rec.MAC
	if s := addr.String(); !slices.Contains(d.rec.Addrs, s) {
		if len(d.rec.Addrs) == maxValues {
			if a, err := netip.ParseAddr(d.rec.Addrs[0]); err == nil {
				delete(t.byAddr, a)
			}
			d.rec.Addrs = slices.Delete(d.rec.Addrs, 0, 1)
		}
		d.rec.Addrs = append(d.rec.Addrs, s)
		d.change(now)
	}
}

func (d *device) change(now record.Nanos) {
	if d.changed == 0 {
		d.changed = int64(now)
	}
}

// add adds values to a list of d.
func (d *device) add(now record.Nanos, list *[]string, values ...string) {
	for _, s := range values {
		if s = cut(s); s != "" && len(*list) < maxValues && !slices.Contains(*list, s) && d.text+len(s) <= maxDeviceText {
			*list = append(*list, s)
			d.text += len(s)
			d.change(now)
		}
	}
}

// set sets a value of d.
func (d *device) set(now record.Nanos, value *string, s string) {
	if s = cut(s); s != "" && *value != s && d.text+len(s)-len(*value) <= maxDeviceText {
		d.text += len(s) - len(*value)
		*value = s
		d.change(now)
	}
}

func cut(s string) string { return s[:min(len(s), maxText)] }

// forget writes what is new of a device and removes it.
func (t *Table) forget(mac record.HardwareAddr) {
	d := t.devices[mac]
	if d == nil {
		return
	}
	if d.changed != 0 {
		t.write(d, int64(d.rec.Last))
	}
	for _, s := range d.rec.Addrs {
		if a, err := netip.ParseAddr(s); err == nil && t.byAddr[a] == mac {
			delete(t.byAddr, a)
		}
	}
	delete(t.devices, mac)
}

// due writes a device if its time has come. It is asked before each thing that
// a device says, so that what a record has does not depend on when else it is
// asked.
func (t *Table) due(d *device, now int64) {
	at := d.wake()
	switch {
	case at > now:
	case d.changed != 0:
		t.write(d, at)
	default:
		t.write(d, max(at, int64(d.rec.Last)))
	}
}

func (t *Table) write(d *device, now int64) {
	d.rec.Time = record.Nanos(now)
	t.report(&d.rec)
	d.changed, d.written = 0, now
}

// Every round Advance looks at a few devices, so that it never takes long and
// has seen a full table within 13 seconds.
const (
	perRound = 64
	round    = 100 * time.Millisecond
)

// Advance lets time pass until now, in Unix ns. It may be called often.
func (t *Table) Advance(now int64) {
	if since := now - t.looked; since >= 0 && since < int64(round) {
		return
	}
	t.looked = now
	for range min(perRound, len(t.order)) {
		t.hand = (t.hand + 1) % len(t.order)
		if t.wakes[t.hand] <= now {
			d := t.order[t.hand]
			t.due(d, now)
			t.wakes[t.hand] = d.wake()
		}
	}
}

// Flush writes what is new of every device, in the order of their finding.
func (t *Table) Flush() {
	for i := range t.order {
		if d := t.order[(t.oldest+i)%len(t.order)]; d.changed != 0 {
			t.write(d, int64(d.rec.Last))
		}
	}
}
