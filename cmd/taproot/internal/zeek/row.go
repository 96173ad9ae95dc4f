package zeek

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"strings"

	"github.com/taproot-sensor/taproot/wire/record"
)

// A row is one record of a block. Columns that the block left out are zero.
type row struct {
	w     *Writer
	rows  int
	i     int
	cols  map[string]*column
	lists []*column // those of type Strings
}

type column struct {
	*record.Column
	first int // Strings: where the row's values begin in Index
}

func newRow(w *Writer, b *record.Block) *row {
	r := &row{w: w, rows: b.Rows, i: -1, cols: make(map[string]*column, len(b.Columns))}
	for i := range b.Columns {
		c := &column{Column: &b.Columns[i]}
		r.cols[c.Name] = c
		if c.Type == record.Strings {
			r.lists = append(r.lists, c)
		}
	}
	return r
}

// next moves on to the next record and reports whether there is one.
func (r *row) next() bool {
	if r.i >= 0 {
		for _, c := range r.lists {
			c.first += int(c.Lens[r.i])
		}
	}
	r.i++
	return r.i < r.rows
}

func (r *row) int(name string) int64 {
	if c := r.cols[name]; c != nil && c.Ints != nil {
		return c.Ints[r.i]
	}
	return 0
}

func (r *row) bool(name string) bool { return r.int(name) != 0 }

func (r *row) text(name string) string {
	if c := r.cols[name]; c != nil && c.Index != nil && c.Lens == nil {
		return c.Text(c.Dict[c.Index[r.i]])
	}
	return ""
}

func (r *row) list(name string) []string {
	c := r.cols[name]
	if c == nil || c.Lens == nil {
		return nil
	}
	var list []string
	for _, x := range c.Index[c.first : c.first+int(c.Lens[r.i])] {
		list = append(list, c.Dict[x])
	}
	return list
}

func (r *row) addr(name string) netip.Addr {
	if c := r.cols[name]; c != nil && c.Type == record.Addr {
		a, _ := netip.AddrFromSlice([]byte(c.Dict[c.Index[r.i]]))
		return a
	}
	return netip.Addr{}
}

// uid returns the name of a flow in Zeek's form: C and 96 bits in base 62.
func (r *row) uid(flow int64) string {
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], uint64(flow))
	sum := sha256.Sum256(append([]byte(r.w.salt), number[:]...))
	const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var b strings.Builder
	b.WriteByte('C')
	for _, n := range []uint64{binary.BigEndian.Uint64(sum[:]), uint64(binary.BigEndian.Uint32(sum[8:]))} {
		for ; n > 0; n /= 62 {
			b.WriteByte(digits[n%62])
		}
	}
	return b.String()
}

// locals are the networks that Zeek takes for local unless told otherwise:
// those that IANA does not route (RFC 6890).
var locals = func() (all []netip.Prefix) {
	for _, s := range strings.Fields(`0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
		192.0.0.0/24 192.0.2.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 240.0.0.0/4
		::/127 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 fc00::/7 fe80::/10
		2002::/24 2002:a00::/24 2002:6440::/26 2002:7f00::/24 2002:a9fe::/32 2002:ac10::/28 2002:c000::/40 2002:c000:200::/40
		2002:c0a8::/32 2002:c612::/31 2002:c633:6400::/40 2002:cb00:7100::/40 2002:f000::/20`) {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}()

func isLocal(a netip.Addr) bool {
	for _, p := range locals {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
