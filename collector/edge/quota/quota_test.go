package quota_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/collector/edge/quota"
)

func TestNetwork(t *testing.T) {
	for _, tt := range []struct{ addr, want string }{
		{"192.0.2.77", "192.0.2.0/24"},
		{"::ffff:192.0.2.77", "192.0.2.0/24"},
		{"2001:db8:1:2:3::4", "2001:db8:1:2::/64"},
		{"fe80::1%eth0", "fe80::/64"},
	} {
		if got := quota.Network(netip.MustParseAddr(tt.addr)).String(); got != tt.want {
			t.Errorf("network of %s is %s, want %s", tt.addr, got, tt.want)
		}
	}
}

// One network does not take the room of all guests, who go and leave theirs.
func TestGuests(t *testing.T) {
	var g quota.Guests
	near := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }
	entered := 0
	for i := range 2000 {
		if g.Enter(near(i)) {
			entered++
		}
	}
	far := netip.MustParseAddr("198.51.100.1")
	if entered != quota.MaxGuestsEach || !g.Enter(far) {
		t.Errorf("%d guests of one network, want %d, and another's", entered, quota.MaxGuestsEach)
	}
	g.Leave(far)
	for i := range entered {
		g.Leave(near(i))
	}
	if g.Len() != 0 {
		t.Errorf("%d guests are left", g.Len())
	}
	for i := range 2000 {
		g.Enter(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}))
	}
	if n := g.Len(); n != 4*quota.MaxGuestsEach {
		t.Errorf("%d guests of 2000 networks, want %d", n, 4*quota.MaxGuestsEach)
	}
}

func TestBuckets(t *testing.T) {
	now := time.Unix(1e9, 0)
	b := quota.NewBuckets(quota.Rate{PerSecond: 10, Burst: 5}, quota.Rate{PerSecond: 100, Burst: 20})
	taken := func(n int, addr func(i int) netip.Addr) (got int) {
		for i := range n {
			if b.Take(addr(i), now) {
				got++
			}
		}
		return got
	}
	near := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }
	far := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}) }
	if got := taken(100, near); got != 5 {
		t.Errorf("one network takes %d at once, want 5", got)
	}
	if got := taken(1000, far); got != 15 {
		t.Errorf("all others take %d at once, want 15", got)
	}
	now = now.Add(100 * time.Millisecond)
	if got := taken(100, near); got != 1 {
		t.Errorf("one network takes %d after 100 ms, want 1", got)
	}
	now = now.Add(time.Hour)
	if got := taken(1000, far); got != 20 {
		t.Errorf("all take %d after an hour, want 20", got)
	}
}
