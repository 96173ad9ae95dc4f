//go:build linux

package wan_test

import (
	"testing"
	"time"
)

// A path that takes only 1000 bytes, and says nothing of it: HELLO gets through
// in a small datagram, and DATA finds what fits.
func TestSmallPath(t *testing.T) {
	needRoad(t)
	r := road
	r.Hole = 1000
	if rate := carry(t, r, 4*time.Second); rate == 0 {
		t.Error("nothing was stored in time")
	}
}
