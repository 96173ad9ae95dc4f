package flight

import (
	"container/heap"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/wire/session"
)

// simRoad is a road in simulated time: a bottleneck with a queue, then a delay,
// then what goes wrong, each way.
type simRoad struct {
	rate    float64 // bytes per second
	queue   float64 // bytes
	delay   time.Duration
	loss    float64
	reorder float64
	jitter  time.Duration // of everything, as a busy machine has
	hole    int           // larger datagrams vanish
}

type event struct {
	at time.Time
	do func(now time.Time)
}

type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(i, j int) bool { return e[i].at.Before(e[j].at) }
func (e events) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

// sim carries datagrams of flights over one bottleneck.
type sim struct {
	road  simRoad
	rnd   *rand.Rand
	now   time.Time
	todo  events
	free  time.Time
	drops int
}

func newSim(r simRoad) *sim {
	return &sim{road: r, rnd: rand.New(rand.NewPCG(7, 8)), now: start}
}

func (s *sim) after(d time.Duration, do func(now time.Time)) {
	heap.Push(&s.todo, event{s.now.Add(d), do})
}

func (s *sim) run(d time.Duration) {
	end := s.now.Add(d)
	for len(s.todo) > 0 && s.todo[0].at.Before(end) {
		e := heap.Pop(&s.todo).(event)
		s.now = e.at
		e.do(e.at)
	}
	s.now = end
}

// carry takes a datagram of size bytes through the bottleneck.
func (s *sim) carry(size int, arrive func(now time.Time)) {
	if s.road.hole > 0 && size > s.road.hole {
		return
	}
	if s.free.Before(s.now) {
		s.free = s.now
	}
	if s.free.Sub(s.now).Seconds()*s.road.rate+float64(size) > s.road.queue {
		s.drops++
		return
	}
	s.free = s.free.Add(time.Duration(float64(size+28) / s.road.rate * float64(time.Second)))
	s.hop(s.free.Sub(s.now), arrive)
}

// hop takes it over the rest of the road.
func (s *sim) hop(after time.Duration, arrive func(now time.Time)) {
	if s.rnd.Float64() < s.road.loss {
		return
	}
	d := after + s.road.delay
	if s.road.jitter > 0 {
		d += time.Duration(s.rnd.Int64N(int64(s.road.jitter)))
	}
	if s.rnd.Float64() < s.road.reorder {
		d += time.Duration(s.rnd.Int64N(int64(s.road.delay / 2)))
	}
	s.after(d, arrive)
}

// simSender always has something to send.
type simSender struct {
	s       *sim
	f       *Flight
	window  session.Window // the receiver's
	due     bool
	number  uint64
	fresh   int
	again   []Chunk
	arrived map[int]bool
	bytes   int // that arrived, each once
	wakeAt  time.Time
}

func newSender(s *sim, size int) *simSender {
	x := &simSender{s: s, f: New(size), arrived: map[int]bool{}}
	s.after(0, x.pump)
	return x
}

func (x *simSender) pump(now time.Time) {
	x.again = append(x.again, x.f.Expire(x.number, now)...)
	for {
		ok, at := x.f.Room(1<<20, now)
		if !ok {
			t := now.Add(100 * time.Millisecond)
			if d, ok := x.f.Deadline(); ok && d.Before(t) {
				t = d
			}
			if !at.IsZero() && at.Before(t) {
				t = at
			}
			if !x.wakeAt.After(now) || t.Before(x.wakeAt) {
				x.wakeAt = t
				x.s.after(max(t.Sub(now), time.Microsecond), x.pump)
			}
			return
		}
		x.send(now)
	}
}

func (x *simSender) send(now time.Time) {
	available := 1 << 20
	if len(x.again) > 0 {
		available = x.again[0].Size + 64
	}
	size, probe := x.f.Pick(available, now)
	room := size - 64
	c := Chunk{Offset: x.fresh, Size: room}
	if len(x.again) > 0 {
		if c = x.again[0]; c.Size > room {
			x.again[0] = Chunk{Offset: c.Offset + room, Size: c.Size - room}
			c.Size = room
		} else {
			x.again = x.again[1:]
		}
	} else {
		x.fresh += room
	}
	number := x.number
	x.number++
	x.f.Sent(number, c, c.Size+64, probe && c.Size == room, now)
	x.s.carry(c.Size+64, func(time.Time) {
		if x.window.Fresh(number) {
			x.window.Mark(number)
		}
		if !x.arrived[c.Offset] {
			x.arrived[c.Offset] = true
			x.bytes += c.Size
		}
		if !x.due {
			x.due = true
			x.s.after(2*time.Millisecond, x.ack)
		}
	})
}

func (x *simSender) ack(time.Time) {
	x.due = false
	r := x.window.Received()
	x.s.hop(0, func(now time.Time) {
		a := x.f.Answer(&r, x.number, now)
		x.again = append(x.again, a.Lost...)
		for _, late := range a.Late {
			for i, c := range x.again {
				if c == late {
					x.again = append(x.again[:i], x.again[i+1:]...)
					break
				}
			}
		}
		x.pump(now)
	})
}

// goodput returns what share of the bottleneck x got over d, after warming up.
func (x *simSender) goodput(d time.Duration) float64 {
	x.s.run(3 * time.Second)
	before := x.bytes
	x.s.run(d)
	return float64(x.bytes-before) / d.Seconds() / x.s.road.rate
}

func TestGoodput(t *testing.T) {
	road := simRoad{rate: 2.5e6, queue: 128 << 10, delay: 20 * time.Millisecond}
	length := 12 * time.Second
	if testing.Short() {
		length = 3 * time.Second
	}
	for _, tt := range []struct {
		name  string
		spoil func(*simRoad)
		want  float64
	}{
		{"clean", func(*simRoad) {}, 0.85},
		{"1 % lost", func(r *simRoad) { r.loss = 0.01 }, 0.8},
		{"10 % lost", func(r *simRoad) { r.loss = 0.1 }, 0.7},
		{"30 % lost", func(r *simRoad) { r.loss = 0.3 }, 0.5},
		{"10 % swapped", func(r *simRoad) { r.reorder = 0.1 }, 0.8},
		{"30 % lost, 10 % swapped", func(r *simRoad) { r.loss, r.reorder = 0.3, 0.1 }, 0.5},
		{"30 % lost, 10 % swapped, jitter", func(r *simRoad) { r.loss, r.reorder, r.jitter = 0.3, 0.1, 20*time.Millisecond }, 0.4},
		{"short queue", func(r *simRoad) { r.queue = 16 << 10 }, 0.6},
		{"no queue", func(r *simRoad) { r.queue = 4 << 10 }, 0.3},
		{"long road, 5 % lost", func(r *simRoad) { r.delay, r.loss = 100*time.Millisecond, 0.05 }, 0.5},
	} {
		r := road
		tt.spoil(&r)
		x := newSender(newSim(r), session.MaxDatagram)
		got := x.goodput(length)
		t.Logf("%-32s goodput %.2f; sent %d, dropped %d by the queue; window %d, rtt %v of %v, late %d, silence %d", tt.name, got, x.number, x.s.drops,
			x.f.Window(), x.f.RTT(), x.f.rtt.base(), x.f.late, x.f.probes)
		if got < tt.want {
			t.Errorf("%s: goodput %.2f, want at least %.2f", tt.name, got, tt.want)
		}
	}
}
