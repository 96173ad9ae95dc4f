package flight

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taproot-sensor/taproot/wire/session"
)

var start = time.Unix(1700000000, 0)

// received returns what a collector says of the packets that came.
func received(numbers ...uint64) *session.Received {
	var w session.Window
	for _, n := range numbers {
		w.Mark(n)
	}
	r := w.Received()
	return &r
}

// sent returns a flight with n packets under way, sent in one burst.
func sent(n int) *Flight {
	f := New(session.MaxDatagram)
	for i := range n {
		f.Sent(uint64(i), Chunk{0, i * 1000, 1000}, 1064, false, start.Add(time.Duration(i)*time.Microsecond))
	}
	return f
}

func offsets(chunks []Chunk) (got []int) {
	for _, c := range chunks {
		got = append(got, c.Offset/1000)
	}
	return got
}

func TestLossByLaterPackets(t *testing.T) {
	f := sent(10)
	a := f.Answer(received(1, 5, 6), 10, start.Add(12*time.Millisecond))
	if diff := cmp.Diff([]int{1, 5, 6}, offsets(a.Came)); diff != "" {
		t.Errorf("came (-want +got)\n%s", diff)
	}
	// 0, 2 and 3 are three or more behind; 4 is not yet.
	if diff := cmp.Diff([]int{0, 2, 3}, offsets(a.Lost)); diff != "" {
		t.Errorf("lost (-want +got)\n%s", diff)
	}
	if f.bytes != 4*1064 || len(f.packets) != 4 {
		t.Errorf("%d bytes in %d packets are under way", f.bytes, len(f.packets))
	}
	if f.Window() < initialWindow {
		t.Errorf("window = %d: a loss without a queue is not congestion", f.Window())
	}
	// 2 was only late: it came after all, and from now on there is more patience.
	a = f.Answer(received(1, 2, 5, 6, 7), 10, start.Add(24*time.Millisecond))
	if diff := cmp.Diff([]int{2}, offsets(a.Late)); diff != "" {
		t.Errorf("late (-want +got)\n%s", diff)
	}
	if f.late != 1 || f.lossWait() <= f.rtt.latest*9/8 {
		t.Errorf("late = %d, wait for loss = %v", f.late, f.lossWait())
	}
}

// With a queue in sight a loss narrows the window, once for each round trip.
func TestCongestionCountsOnce(t *testing.T) {
	f := sent(8)
	f.rtt.sample(10*time.Millisecond, start)
	f.rtt.round, f.rtt.lastRound, f.rtt.vary = 90*time.Millisecond, 90*time.Millisecond, 0
	before := f.Window()
	f.Answer(received(1, 5), 10, start.Add(90*time.Millisecond))
	f.rtt.vary = 0
	f.rtt.endRound()
	narrow := f.Window()
	if narrow > int(cubicBeta*float64(before+2*1064))+1 {
		t.Fatalf("window = %d after congestion, was %d", narrow, before)
	}
	f.rtt.round, f.rtt.lastRound = 90*time.Millisecond, 90*time.Millisecond
	f.Answer(received(1, 5, 7), 10, start.Add(91*time.Millisecond))
	if f.Window() < narrow {
		t.Errorf("window = %d, want %d: packets sent before the first loss was seen are of the same event", f.Window(), narrow)
	}
}

func TestRTT(t *testing.T) {
	f := sent(1)
	f.Answer(received(0), 1, start.Add(40*time.Millisecond))
	if f.rtt.smooth != 40*time.Millisecond || f.rtt.vary != 20*time.Millisecond {
		t.Errorf("smooth = %v, vary = %v", f.rtt.smooth, f.rtt.vary)
	}
	if _, ok := f.Deadline(); ok {
		t.Error("a deadline with nothing under way")
	}
	at := start.Add(time.Second)
	f.Sent(1, Chunk{}, 100, false, at)
	if d, _ := f.Deadline(); d.Sub(at) != 40*time.Millisecond+4*20*time.Millisecond+ackDelay {
		t.Errorf("deadline = %v", d.Sub(at))
	}
}

// Timeouts back off; the first ones ask with two packets, and after three with
// no answer everything is given up.
func TestTimeouts(t *testing.T) {
	f := sent(6)
	last := time.Duration(0)
	for i, want := range []int{2, 2, 2} {
		d, ok := f.Deadline()
		if !ok {
			t.Fatal("no deadline")
		}
		if wait := d.Sub(f.since); wait <= last {
			t.Errorf("wait = %v after %v", wait, last)
		} else {
			last = wait
		}
		if n := len(f.Expire(6, d)); n != want {
			t.Errorf("timeout %d gives %d packets up, want %d", i+1, n, want)
		}
	}
	if f.bytes != 0 || f.Window() != leastWindow || f.Silence() != 3 {
		t.Errorf("%d bytes under way, window %d, %d timeouts", f.bytes, f.Window(), f.Silence())
	}
	for range 10 {
		f.Sent(7, Chunk{}, 100, false, f.since)
		d, _ := f.Deadline()
		if d.Sub(f.since) > maxProbe {
			t.Errorf("waits %v", d.Sub(f.since))
		}
		f.Expire(8, d)
	}
}

// Packets leave spread over the round trip, not in a burst of a window.
func TestPacing(t *testing.T) {
	f := New(session.MaxDatagram)
	f.rtt.sample(100*time.Millisecond, start)
	f.control.window, f.control.threshold = 100*segment, 0
	n, now := 0, start
	for now.Before(start.Add(50 * time.Millisecond)) {
		ok, at := f.Room(1<<30, now)
		if !ok {
			if at.IsZero() {
				t.Fatal("the window is full")
			}
			now = at
			continue
		}
		f.Sent(uint64(n), Chunk{}, segment, false, now)
		n++
	}
	// Half a round trip at 1.25 windows each, and the first burst.
	if n < 60 || n > 75 {
		t.Errorf("%d packets left in half a round trip, want about 62 and a burst of 10", n)
	}
}

// The path takes 1000 bytes, and nobody says so: larger ones vanish. Then it
// takes only 700.
func TestPathMTU(t *testing.T) {
	r := simRoad{rate: 2.5e6, queue: 128 << 10, delay: 20 * time.Millisecond, hole: 1020, loss: 0.05}
	x := newSender(newSim(r), SafeDatagram)
	x.s.run(5 * time.Second)
	if got := x.f.Datagram(); got != 1000 {
		t.Errorf("datagrams of %d bytes on a path that takes 1020, want 1000", got)
	}
	x.s.road.hole = 700
	before := x.bytes
	x.s.run(10 * time.Second)
	if got := x.f.Datagram(); got != SafeDatagram {
		t.Errorf("datagrams of %d bytes on a path that takes 700, want %d", got, SafeDatagram)
	}
	if got := float64(x.bytes-before) / 10 / r.rate; got < 0.3 {
		t.Errorf("goodput %.2f after the path has become smaller", got)
	}
	x.f.mtu.tooBig(SafeDatagram, false, start) // the machine itself says no: nothing smaller is left
	if x.f.Datagram() != SafeDatagram {
		t.Errorf("datagrams of %d bytes", x.f.Datagram())
	}
}

// At first a path is known to take what a HELLO showed.
func TestFirstSize(t *testing.T) {
	if size, probe := New(session.MaxDatagram).Pick(1<<20, start); size != session.MaxDatagram || probe {
		t.Errorf("Pick = %d, %v", size, probe)
	}
	if size, probe := New(SafeDatagram).Pick(1<<20, start); size != session.MaxDatagram || !probe {
		t.Errorf("Pick = %d, %v; want a probe", size, probe)
	}
	if size, probe := New(SafeDatagram).Pick(session.MaxDatagram-1, start); size != SafeDatagram || probe {
		t.Errorf("Pick = %d, %v; want no probe where there is no data to fill it", size, probe)
	}
}
