package swarm

import (
	"testing"
	"time"
)

// Every duration is in a bucket that ends behind it by no more than an eighth.
func TestLatencyBuckets(t *testing.T) {
	last := 0
	for d := 8 * time.Microsecond; d < time.Hour; d += d/13 + time.Microsecond {
		b := bucketOf(d)
		if b < last || end(b) <= d || end(b) > d+d/7+2*time.Microsecond {
			t.Fatalf("%v is in bucket %d, which ends at %v, after %d", d, b, end(b), last)
		}
		last = b
	}
	if b := bucketOf(0); b != 0 {
		t.Errorf("nothing is in bucket %d", b)
	}
}

func TestQuantile(t *testing.T) {
	var h histogram
	if q := h.latency().Quantile(0.5); q != 0 {
		t.Errorf("the median of nothing is %v", q)
	}
	for range 98 {
		h.add(time.Millisecond)
	}
	before := h.latency()
	h.add(time.Second)
	h.add(time.Second)
	l := h.latency()
	if p50, p99 := l.Quantile(0.5), l.Quantile(0.99); p50 < time.Millisecond || p50 > 1200*time.Microsecond || p99 < time.Second {
		t.Errorf("p50 %v, p99 %v", p50, p99)
	}
	if since := l.Since(before).Quantile(0.01); since < time.Second {
		t.Errorf("since the first, the least is %v", since)
	}
}
