package flight

import (
	"time"

	"github.com/taproot-sensor/taproot/wire/session"
)

const (
	// SafeDatagram fits every path: 576 bytes (RFC 791) less headers of IPv4
	// and UDP.
	SafeDatagram = 548
	// probeTries is how often a size is tried: on a road that loses 30 % one
	// in 400 sizes that fit is missed.
	probeTries = 5
	// holeAfter is how many large datagrams in a row must be lost before small
	// ones are tried: by chance that is one in 170 000 at 30 %.
	holeAfter = 10
	// raiseAfter is when a larger size is tried again (RFC 8899, section
	// 5.1.1: PMTU_RAISE_TIMER).
	raiseAfter = 10 * time.Minute
)

// probeSizes are tried from the largest on: one round trip finds what nearly
// every path takes.
var probeSizes = []int{session.MaxDatagram, 1000, 800}

// mtu finds the largest datagram that the path takes, by sending data in larger
// ones and seeing whether they come: RFC 8899, with data for padding.
type mtu struct {
	size  int // what is sent now
	probe int // index in probeSizes, of the next to try
	tries int // of it that were lost
	under bool
	next  time.Time // when to probe again after all was tried

	hole int // large datagrams lost since one came
}

// newMTU begins with datagrams of size bytes, which have been seen to pass.
func newMTU(size int) mtu { return mtu{size: size} }

// pick returns the size of the next datagram and whether it is a probe. There is
// data for available bytes.
func (m *mtu) pick(available int, now time.Time) (size int, probe bool) {
	switch {
	case m.hole >= holeAfter:
		return SafeDatagram, false
	case m.size >= session.MaxDatagram || m.under:
		return m.size, false
	case m.probe == len(probeSizes):
		if now.Before(m.next) {
			return m.size, false
		}
		m.probe, m.tries = 0, 0
	}
	if probeSizes[m.probe] <= m.size {
		m.probe, m.next = len(probeSizes), now.Add(raiseAfter)
		return m.size, false
	}
	if probeSizes[m.probe] > available {
		return m.size, false
	}
	return probeSizes[m.probe], true
}

// sent notes that a probe has left.
func (m *mtu) sent() { m.under = true }

// came notes that a datagram of size bytes has come.
func (m *mtu) came(size int, probe bool) {
	if probe {
		m.under, m.tries, m.size = false, 0, max(m.size, size)
	}
	switch {
	case size > SafeDatagram:
		m.hole = 0
	case m.hole >= holeAfter: // small ones pass, large ones do not
		*m = mtu{size: SafeDatagram}
	}
}

// lost notes that a datagram of size bytes was lost.
func (m *mtu) lost(size int, probe bool, now time.Time) {
	switch {
	case probe:
		m.under = false
		if m.tries++; m.tries == probeTries {
			m.refuse(now)
		}
	case size > SafeDatagram:
		m.hole++
	}
}

// refuse gives the size up that is probed.
func (m *mtu) refuse(now time.Time) {
	m.probe, m.tries = m.probe+1, 0
	if m.probe == len(probeSizes) {
		m.next = now.Add(raiseAfter)
	}
}

// tooBig notes that this machine knows that a datagram of size bytes does not
// pass.
func (m *mtu) tooBig(size int, probe bool, now time.Time) {
	if probe {
		m.under = false
		m.refuse(now)
		return
	}
	if size <= m.size {
		*m = mtu{size: SafeDatagram}
	}
}
