package dtls

import (
	"net"
	"net/netip"
	"runtime"
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/dtls/v3"

	"github.com/taproot-sensor/taproot/collector/edge/quota"
	"github.com/taproot-sensor/taproot/wire/outer"
)

// spoofed is how many hellos are sent, each from an address of its own.
const spoofed = 20_000

// maxFlood is what they may take, in bytes.
const maxFlood = 50 << 20

// 20 000 hellos from as many addresses, none of which answers, take little
// memory, and do not keep a sensor from its handshake.
func TestSpoofedHellos(t *testing.T) {
	p := openPort(t, nil)
	client := p.client(newSensor(t).member(t, p))
	start := time.Now()
	p.mustKnock(t, client)
	t.Logf("a handshake before takes %v", time.Since(start))
	hello := firstHello(t, p)

	before := inUse()
	var most atomic.Uint64
	var over atomic.Bool
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for !over.Load() {
			most.Store(max(most.Load(), inUse()))
			time.Sleep(5 * time.Millisecond)
		}
	}()
	var sent atomic.Int64
	flooded := make(chan error)
	start = time.Now()
	go func() { flooded <- spoof(hello, p.addr, &sent) }()

	// Sensors that come meanwhile, and knock as sensors do.
	for i := range 5 {
		begun := time.Now()
		p.mustKnock(t, client)
		t.Logf("handshake %d, after %d spoofed hellos, takes %v", i+1, sent.Load(), time.Since(begun))
		time.Sleep(20 * time.Millisecond)
	}
	if err := <-flooded; err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	over.Store(true)
	<-watched
	grown := int64(most.Load()) - int64(before)
	t.Logf("%d hellos in %v (%.0f/s) take %.1f MB at most; counted %v", spoofed, took, spoofed/took.Seconds(), float64(grown)/(1<<20), p.Counters())
	if grown > maxFlood {
		t.Errorf("they take %d MB, at most %d are fine", grown>>20, maxFlood>>20)
	}
	if c := p.Counters(); c["connections"] > maxUnproved+maxProved {
		t.Errorf("%d connections", c["connections"])
	}
}

// mustKnock knocks and makes a handshake, again where it takes longer than the
// listener waits: sensors do too, and this machine may have much else to do.
func (p *testPort) mustKnock(t *testing.T, options []dtls.ClientOption) *dtls.Conn {
	t.Helper()
	var conn *dtls.Conn
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if conn, err = p.knock(t, options); err == nil {
			return conn
		}
	}
	t.Fatalf("%v; counted %v", err, p.Counters())
	return nil
}

func (p *testPort) knock(t *testing.T, options []dtls.ClientOption) (*dtls.Conn, error) {
	t.Helper()
	w := newWire(t)
	socket := w.now()
	buf := make([]byte, 100)
	w.WriteTo(outer.AppendKnock(nil, outer.KnockCookie{}), p.addr)
	socket.SetReadDeadline(time.Now().Add(handshakeTimeout))
	n, _, err := socket.ReadFrom(buf)
	if err != nil {
		return nil, err
	}
	cookie, ok := outer.ParseKnockAnswer(buf[:n])
	if !ok {
		t.Fatalf("answer to a knock: %x", buf[:n])
	}
	socket.SetReadDeadline(time.Time{})
	w.WriteTo(outer.AppendKnock(nil, cookie), p.addr)
	return p.dialFrom(t, w, options, handshakeTimeout)
}

// spoof sends hello from many addresses: all of 127.0.0.0/8 are this machine's.
func spoof(hello []byte, to *net.UDPAddr, sent *atomic.Int64) error {
	for i := range spoofed {
		from := &net.UDPAddr{IP: net.IPv4(127, byte(1+i>>16), byte(i>>8), byte(i))}
		socket, err := net.DialUDP("udp", from, to)
		if err != nil {
			return err
		}
		socket.Write(hello)
		socket.Close()
		sent.Add(1)
	}
	return nil
}

// inUse returns what the process has of the kernel and has not given back.
func inUse() uint64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}

// What a connection costs: BenchmarkConnections prints the memory of one that is
// done with its handshake, BenchmarkHandshake both ends' time for one.
// One machine that knocks from all its ports leaves room at the door to others.
func TestKnocksOfOneMachine(t *testing.T) {
	p := openPort(t, nil)
	now := time.Now()
	knock := func(addr netip.AddrPort) (heard bool) {
		p.mu.Lock()
		cookie := p.door.cookie(addr, now)
		p.mu.Unlock()
		p.route(outer.AppendKnock(nil, cookie), addr, now)
		p.mu.Lock()
		defer p.mu.Unlock()
		_, heard = p.door.entered[addr]
		return heard
	}
	loud := netip.MustParseAddr("127.0.0.1")
	for port := range uint16(5000) {
		knock(netip.AddrPortFrom(loud, 1+port))
	}
	if n := len(p.door.entered); n > int(knockedRates[0].Burst) {
		t.Errorf("one machine has knocked for %d handshakes", n)
	}
	if !knock(netip.MustParseAddrPort("198.51.100.1:7")) {
		t.Error("a sensor that knocks is not heard")
	}
}

func BenchmarkConnections(b *testing.B) {
	p := openPort(b, nil)
	p.strangers = quota.NewBuckets(unbounded, unbounded)
	const n = 200
	var clients [n][]dtls.ClientOption
	for i := range clients { // one sensor has few
		clients[i] = p.client(newSensor(b).member(b, p))
	}
	runtime.GC()
	before := inUse()
	for range b.N {
		for _, client := range clients {
			p.mustDial(b, client)
		}
	}
	runtime.GC()
	b.ReportMetric(float64(inUse()-before)/float64(n*b.N), "B/pair")
}

var unbounded = quota.Rate{PerSecond: 1e9, Burst: 1e9}

func BenchmarkHandshake(b *testing.B) {
	p := openPort(b, nil)
	p.strangers = quota.NewBuckets(unbounded, unbounded)
	client := p.client(newSensor(b).member(b, p))
	for b.Loop() {
		p.mustDial(b, client).Close()
	}
}
