//go:build linux

// Package wan is a bad road between two machines, for tests: two network
// namespaces joined by TUN ports, and between the ports a program that delays,
// queues, repeats, swaps and damages packets. What of the packets is lost the
// kernel decides (nft numgen), on arrival.
//
// The random numbers have a seed, so that a road is as bad the next time. It
// needs root. Nothing leaves the machine.
package wan

import (
	"container/heap"
	"context"
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// The addresses of the two ends.
var (
	Near = netip.MustParseAddr("10.77.0.1")
	Far  = netip.MustParseAddr("10.77.0.2")
)

// Road says how bad a road is, in each direction alike. Shares are 0 to 1.
type Road struct {
	Rate    int           // bytes per second that fit through; 0 for no limit
	Queue   int           // bytes that may wait for their turn; what is beyond is dropped (drop-tail)
	Delay   time.Duration // one way
	MTU     int           // default 1500
	Hole    int           // packets of more bytes than this vanish, and nobody is told; 0 for none
	Loss    float64       // by nft, on arrival
	Reorder float64       // of packets, that others overtake
	Twice   float64
	Corrupt float64 // one bit flipped
	Seed    uint64
}

// Counts says what happened to packets on the way.
type Counts struct {
	Packets, Bytes                         atomic.Int64 // that came to the road
	UDP, TCP                               atomic.Int64 // bytes of each that the bottleneck let through
	Queue, Reordered, Twice, Corrupt, Hole atomic.Int64 // packets
}

// WAN is a road that is open.
type WAN struct {
	names [2]string // of the namespaces
	ports [2]*os.File
	lanes [2]*lane // 0 from Near to Far
	busy  sync.WaitGroup
}

// Open makes the namespaces and starts to carry packets.
func Open(ctx context.Context, r Road) (*WAN, error) {
	var id [4]byte
	rand.Read(id[:])
	w := &WAN{names: [2]string{fmt.Sprintf("wan-%x-a", id), fmt.Sprintf("wan-%x-b", id)}}
	if r.MTU == 0 {
		r.MTU = 1500
	}
	for i, name := range w.names {
		if err := w.end(ctx, i, name, r); err != nil {
			w.Close()
			return nil, fmt.Errorf("opening end %d of a road: %w", i, err)
		}
	}
	for i := range w.lanes {
		w.lanes[i] = newLane(r, r.Seed+uint64(i), w.ports[1-i])
		w.busy.Go(func() { w.lanes[i].read(w.ports[i]) })
		w.busy.Go(w.lanes[i].write)
	}
	return w, nil
}

// end makes one end of the road.
func (w *WAN) end(ctx context.Context, i int, name string, r Road) (err error) {
	if err := run(ctx, "ip", "netns", "add", name); err != nil {
		return err
	}
	if w.ports[i], err = openTUN(name, "wan"); err != nil {
		return err
	}
	own := []netip.Addr{Near, Far}[i]
	for _, args := range []string{
		"link set lo up",
		fmt.Sprintf("link set wan mtu %d up", r.MTU),
		fmt.Sprintf("addr add %s/30 dev wan", own),
	} {
		if err := run(ctx, "ip", append([]string{"-n", name}, strings.Fields(args)...)...); err != nil {
			return err
		}
	}
	if r.Loss == 0 {
		return nil
	}
	rules := fmt.Sprintf(`table inet wan {
	chain arriving {
		type filter hook input priority 0; policy accept;
		iifname "wan" meta l4proto { tcp, udp } numgen random mod 1000 < %d counter drop
	}
}
`, int(r.Loss*1000))
	cmd := w.Command(ctx, i == 1, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %v: %s", err, out)
	}
	return nil
}

func run(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// Command returns a command that runs at the near or the far end.
func (w *WAN) Command(ctx context.Context, far bool, name string, args ...string) *exec.Cmd {
	end := w.names[0]
	if far {
		end = w.names[1]
	}
	return exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", end, name}, args...)...)
}

// Counts returns what happened on the way to the far end, or back.
func (w *WAN) Counts(back bool) *Counts {
	if back {
		return &w.lanes[1].counts
	}
	return &w.lanes[0].counts
}

// Close ends the road and removes the namespaces.
func (w *WAN) Close() {
	for i, p := range w.ports {
		if p != nil {
			p.Close()
		}
		if w.lanes[i] != nil {
			w.lanes[i].close()
		}
	}
	w.busy.Wait()
	for _, name := range w.names {
		exec.Command("ip", "netns", "del", name).Run() // one that was not made is not there
	}
}

// lane is one direction.
type lane struct {
	road   Road
	to     *os.File
	counts Counts

	mu     sync.Mutex
	rnd    *mrand.Rand
	free   time.Time // when the bottleneck has sent what waits
	queue  arrivals
	wake   chan struct{}
	closed bool
}

func newLane(r Road, seed uint64, to *os.File) *lane {
	return &lane{road: r, to: to, rnd: mrand.New(mrand.NewPCG(seed, 1)), wake: make(chan struct{}, 1)}
}

// read takes packets of from until it is closed.
func (l *lane) read(from *os.File) {
	buf := make([]byte, 65536)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		l.take(buf[:n], time.Now())
	}
}

// take puts a packet on the road.
func (l *lane) take(p []byte, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts.Packets.Add(1)
	l.counts.Bytes.Add(int64(len(p)))
	if len(p) < 20 {
		return
	}
	if l.road.Hole > 0 && len(p) > l.road.Hole {
		l.counts.Hole.Add(1)
		return
	}
	leaves := now
	if l.road.Rate > 0 {
		if l.free.Before(now) {
			l.free = now
		}
		waiting := int(l.free.Sub(now).Seconds() * float64(l.road.Rate))
		if waiting+len(p) > l.road.Queue {
			l.counts.Queue.Add(1)
			return
		}
		l.free = l.free.Add(time.Duration(float64(len(p)) / float64(l.road.Rate) * float64(time.Second)))
		leaves = l.free
	}
	switch p[9] { // protocol, RFC 791
	case unix.IPPROTO_UDP:
		l.counts.UDP.Add(int64(len(p)))
	case unix.IPPROTO_TCP:
		l.counts.TCP.Add(int64(len(p)))
	}
	at := leaves.Add(l.road.Delay)
	p = append([]byte(nil), p...)
	if l.rnd.Float64() < l.road.Corrupt && len(p) > 28 {
		p[28+l.rnd.IntN(len(p)-28)] ^= 1 << l.rnd.IntN(8)
		l.counts.Corrupt.Add(1)
	}
	if l.rnd.Float64() < l.road.Reorder {
		at = at.Add(time.Millisecond + time.Duration(l.rnd.Int64N(int64(max(l.road.Delay/2, time.Millisecond)))))
		l.counts.Reordered.Add(1)
	}
	heap.Push(&l.queue, arrival{at, p})
	if l.rnd.Float64() < l.road.Twice {
		heap.Push(&l.queue, arrival{at.Add(time.Duration(l.rnd.Int64N(int64(5 * time.Millisecond)))), p})
		l.counts.Twice.Add(1)
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// write delivers packets when their time has come.
func (l *lane) write() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		l.mu.Lock()
		now, wait := time.Now(), time.Hour
		var due [][]byte
		for len(l.queue) > 0 {
			if wait = l.queue[0].at.Sub(now); wait > 0 {
				break
			}
			due = append(due, heap.Pop(&l.queue).(arrival).packet)
			wait = time.Hour
		}
		closed := l.closed
		l.mu.Unlock()
		if closed {
			return
		}
		for _, p := range due {
			l.to.Write(p) // an end that is gone loses it
		}
		if len(due) > 0 {
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-l.wake:
		}
	}
}

func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// arrivals are packets on their way, the next to arrive first.
type arrivals []arrival

type arrival struct {
	at     time.Time
	packet []byte
}

func (a arrivals) Len() int           { return len(a) }
func (a arrivals) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a arrivals) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *arrivals) Push(x any)        { *a = append(*a, x.(arrival)) }
func (a *arrivals) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}
