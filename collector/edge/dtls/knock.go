package dtls

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/taproot-sensor/taproot/collector/edge/quota"
	"github.com/taproot-sensor/taproot/wire/outer"
)

const (
	// cookieLife is how long a cookie is good, to twice as long.
	cookieLife = 10 * time.Second
	// enterWithin is how long after its second knock a sensor may begin.
	enterWithin = 10 * time.Second
	// maxEntered bounds the addresses that have knocked twice and not begun:
	// more than knockedRates let in within that time.
	maxEntered = 1 << 14
)

// door is who has knocked. It keeps nothing of those that have not shown that
// they receive where they say. The listener's mu guards it.
type door struct {
	began   time.Time
	secret  [32]byte
	entered map[netip.AddrPort]time.Time
	rates   *quota.Buckets // of who is let in
}

func newDoor(now time.Time) *door {
	d := &door{began: now, entered: map[netip.AddrPort]time.Time{}, rates: quota.NewBuckets(knockedRates[0], knockedRates[1])}
	rand.Read(d.secret[:])
	return d
}

func (d *door) cookie(from netip.AddrPort, now time.Time) outer.KnockCookie {
	mac := hmac.New(sha256.New, d.secret[:])
	b, _ := from.MarshalBinary() // of a netip.AddrPort it never fails
	mac.Write(binary.BigEndian.AppendUint64(b, uint64(now.Sub(d.began)/cookieLife)))
	return outer.KnockCookie(mac.Sum(nil))
}

// knock takes a knock; answer is what to say to it, if anything.
func (d *door) knock(c outer.KnockCookie, from netip.AddrPort, now time.Time) (answer outer.KnockCookie, ok bool) {
	for _, t := range []time.Time{now, now.Add(-cookieLife)} {
		if want := d.cookie(from, t); hmac.Equal(want[:], c[:]) {
			d.let(from, now)
			return answer, false
		}
	}
	return d.cookie(from, now), true
}

// let notes that from may begin, unless its network or all have knocked too
// often. Who knocks again, or is made to, takes nothing more.
func (d *door) let(from netip.AddrPort, now time.Time) {
	if t, ok := d.entered[from]; ok && now.Sub(t) <= enterWithin || !d.rates.Take(from.Addr(), now) {
		return
	}
	if len(d.entered) >= maxEntered {
		for other, t := range d.entered {
			if now.Sub(t) > enterWithin {
				delete(d.entered, other)
			}
		}
	}
	if len(d.entered) < maxEntered {
		d.entered[from] = now
	}
}

// enter reports whether from has knocked as it should, which counts once.
func (d *door) enter(from netip.AddrPort, now time.Time) bool {
	t, ok := d.entered[from]
	delete(d.entered, from)
	return ok && now.Sub(t) <= enterWithin
}
