package hwtest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mrand "math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/nacl/box"
	"golang.org/x/sync/errgroup"

	"github.com/taproot-sensor/taproot/collector/edge"
	"github.com/taproot-sensor/taproot/collector/edge/quota"
	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/firmware/spool"
	"github.com/taproot-sensor/taproot/firmware/uplink"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/session"
	"github.com/taproot-sensor/taproot/wire/site"
)

// These tests join the real uplink to the real edge and journal on loopback,
// with a road between them that a test may spoil.

// testSite is a site's keys.
type testSite struct {
	box, boxKey *[32]byte
	identity    ed25519.PrivateKey
	dir         string // of its certificate authority
}

func newTestSite(t *testing.T) testSite {
	t.Helper()
	public, private, err := box.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return testSite{private, public, identity, t.TempDir()}
}

// public returns what an image knows of the site.
func (s testSite) public(addr string) site.Site {
	return site.Site{Name: "test", Collectors: []string{addr}, Box: site.Key(*s.boxKey), Identity: site.Key(s.identity.Public().(ed25519.PublicKey)), Next: site.Key{1}}
}

// testCollector is an edge over a journal.
type testCollector struct {
	edge    *edge.Edge
	journal *journal.Journal
	addr    string
	stop    func()
}

// startCollector serves dir at addr until stop, or the end of the test.
func startCollector(t *testing.T, s testSite, dir, addr string, decide func(enrol.Identity) enrol.Status) *testCollector {
	t.Helper()
	return startCollectorWith(t, s, dir, addr, decide, quota.NewShares(0))
}

func startCollectorWith(t *testing.T, s testSite, dir, addr string, decide func(enrol.Identity) enrol.Status, shares *quota.Shares) *testCollector {
	t.Helper()
	j, _, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	udp, err := edge.ListenUDP(addr, log)
	if err != nil {
		t.Fatal(err)
	}
	e := edge.New(edge.Config{
		Box: s.box, BoxKey: s.boxKey, Identity: s.identity, Journal: j, Log: log, Shares: shares,
		Decide: func(id enrol.Identity, _ enrol.Claims, _ netip.AddrPort) (enrol.Status, error) {
			return decide(id), nil
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.Run(ctx) })
	g.Go(func() error { return udp.Run(ctx, e) })
	c := &testCollector{edge: e, journal: j, addr: udp.Addr().String()}
	c.stop = sync.OnceFunc(func() {
		cancel()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
		e.Flush()
		udp.Close()
	})
	t.Cleanup(c.stop)
	return c
}

func approve(enrol.Identity) enrol.Status { return enrol.Approved }

// testUplink is an uplink whose pipe the test writes.
type testUplink struct {
	pipe io.WriteCloser
	done chan error
	stop func()

	mu   sync.Mutex
	said []string
}

func startUplink(t *testing.T, s site.Site) *testUplink {
	t.Helper()
	return startUplinkWith(t, s, func(*uplink.Config) {})
}

func startUplinkAs(t *testing.T, s site.Site, identity ed25519.PrivateKey) *testUplink {
	t.Helper()
	return startUplinkWith(t, s, func(cfg *uplink.Config) { cfg.Identity = identity })
}

// startUplinkWith lets change have another config.
func startUplinkWith(t *testing.T, s site.Site, change func(*uplink.Config)) *testUplink {
	t.Helper()
	_, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, w := io.Pipe()
	u := &testUplink{pipe: w, done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	u.stop = cancel
	t.Cleanup(func() { cancel(); w.Close() })
	cfg := uplink.Config{
		Site: s, Identity: identity, Claims: enrol.Claims{"board": "test"}, In: []io.ReadCloser{r}, Spool: spool.New(64 << 20),
		Log: slog.New(slog.DiscardHandler),
		Say: func(line string) {
			u.mu.Lock()
			defer u.mu.Unlock()
			u.said = append(u.said, line)
		},
	}
	change(&cfg)
	go func() { u.done <- uplink.Run(ctx, cfg) }()
	return u
}

func (u *testUplink) hasSaid(line string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return strings.Contains(strings.Join(u.said, "\n"), line)
}

// send writes n batches of about size bytes, told apart by their content.
func (u *testUplink) send(t *testing.T, first, n, size int) {
	t.Helper()
	for i := first; i < first+n; i++ {
		raw := bytes.Repeat(fmt.Appendf(nil, "batch %d.", i), size/10+1)
		if err := batch.WriteFrame(u.pipe, batch.Frame{Class: batch.Records, Records: 1, Batch: batch.Append(nil, batch.None, len(raw), raw)}); err != nil {
			t.Fatal(err)
		}
	}
}

// finish ends the pipe and waits until all is stored.
func (u *testUplink) finish(t *testing.T) {
	t.Helper()
	u.pipe.Close()
	select {
	case err := <-u.done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(60 * time.Second):
		t.Fatal("uplink has not finished after 60 s")
	}
}

// storedBatches returns how often each test batch stands in the journal.
func storedBatches(t *testing.T, dir string) map[string]int {
	t.Helper()
	j, rec, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	_ = rec
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r := j.Reader(journal.Pos{})
	defer r.Close()
	got := map[string]int{}
	end := j.End()
	for {
		e, pos, err := r.Next(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_, _, body, err := batch.Parse(e.Body)
		if err != nil {
			t.Fatal(err)
		}
		if name, _, ok := bytes.Cut(body, []byte(".")); ok && bytes.HasPrefix(name, []byte("batch ")) {
			got[string(name)]++
		}
		if !pos.Before(end) {
			return got
		}
	}
}

func checkStored(t *testing.T, dir string, n int) {
	t.Helper()
	got := storedBatches(t, dir)
	for i := range n {
		if c := got[fmt.Sprintf("batch %d", i)]; c != 1 {
			t.Errorf("batch %d is stored %d times", i, c)
		}
	}
	if len(got) != n {
		t.Errorf("%d different batches are stored, want %d", len(got), n)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func TestUplinkDelivers(t *testing.T) {
	s, dir := newTestSite(t), t.TempDir()
	c := startCollector(t, s, dir, "127.0.0.1:0", approve)
	u := startUplink(t, s.public(c.addr))
	u.send(t, 0, 300, 20_000)
	u.finish(t)
	c.stop()
	checkStored(t, dir, 300)
	if !u.hasSaid("enrolled") || !u.hasSaid("first batch acknowledged") {
		t.Errorf("uplink said %q", u.said)
	}
}

// A sensor that nobody has approved keeps everything until somebody has.
func TestUplinkWaitsForApproval(t *testing.T) {
	s, dir := newTestSite(t), t.TempDir()
	var approved atomic.Bool
	c := startCollector(t, s, dir, "127.0.0.1:0", func(enrol.Identity) enrol.Status {
		if approved.Load() {
			return enrol.Approved
		}
		return enrol.Pending
	})
	u := startUplink(t, s.public(c.addr))
	u.send(t, 0, 10, 5000)
	eventually(t, "sensor is told to wait", func() bool { return u.hasSaid("waiting for approval") })
	approved.Store(true)
	start := time.Now()
	u.finish(t)
	t.Logf("stored %v after approval", time.Since(start))
	c.stop()
	checkStored(t, dir, 10)
}

// A collector that restarts knows no sessions; nothing is lost and nothing is
// stored twice.
func TestUplinkSurvivesCollectorRestart(t *testing.T) {
	s, dir := newTestSite(t), t.TempDir()
	c := startCollector(t, s, dir, "127.0.0.1:0", approve)
	u := startUplink(t, s.public(c.addr))
	for i := range 3 {
		u.send(t, i*20, 20, 30_000)
		eventually(t, "a batch is acknowledged", func() bool { return u.hasSaid("first batch acknowledged") })
		c.stop()
		c = startCollector(t, s, dir, c.addr, approve)
	}
	u.finish(t)
	c.stop()
	checkStored(t, dir, 60)
}

// A sensor whose site file has another collector's key gets no answer, and the
// collector counts why.
func TestUplinkWrongSiteKey(t *testing.T) {
	s, other := newTestSite(t), newTestSite(t)
	c := startCollector(t, s, t.TempDir(), "127.0.0.1:0", approve)
	u := startUplink(t, other.public(c.addr))
	eventually(t, "the drop is counted", func() bool { return c.edge.Counters()["drop_hello_sealed"] >= 4 })
	eventually(t, "the sensor says so", func() bool { return u.hasSaid("no answer from " + c.addr) })
	if n := c.edge.Counters()["welcomes"]; n != 0 {
		t.Errorf("%d welcomes", n)
	}
	u.send(t, 0, 1, 100)
	u.stop()
	u.pipe.Close()
	if err := <-u.done; err == nil || !strings.Contains(err.Error(), "were not acknowledged") {
		t.Errorf("error at the end = %v, want one that says what was not stored", err)
	}
}

// road forwards datagrams both ways between one sensor and a collector, and
// hands each to spoil, which sends on what it likes.
func road(t *testing.T, to string, spoil func(d []byte, send func([]byte))) string {
	t.Helper()
	front, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	back, err := net.Dial("udp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { front.Close(); back.Close() })
	var sensor atomic.Pointer[net.UDPAddr]
	go func() {
		buf := make([]byte, 2000)
		for {
			n, from, err := front.ReadFromUDP(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				sensor.Store(from)
				spoil(bytes.Clone(buf[:n]), func(d []byte) { back.Write(d) })
			}
		}
	}()
	go func() {
		buf := make([]byte, 2000)
		for {
			n, err := back.Read(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil && sensor.Load() != nil {
				spoil(bytes.Clone(buf[:n]), func(d []byte) { front.WriteToUDP(d, sensor.Load()) })
			}
		}
	}()
	return front.LocalAddr().String()
}

// On a road that loses, repeats, swaps and damages datagrams, all arrives once.
func TestUplinkOverBadRoad(t *testing.T) {
	s, dir := newTestSite(t), t.TempDir()
	c := startCollector(t, s, dir, "127.0.0.1:0", approve)
	var mu sync.Mutex
	rnd := mrand.New(mrand.NewPCG(5, 6))
	var kept []byte
	addr := road(t, c.addr, func(d []byte, send func([]byte)) {
		mu.Lock()
		defer mu.Unlock()
		switch p := rnd.IntN(100); {
		case p < 10: // lost
		case p < 15: // twice
			send(d)
			send(d)
		case p < 20: // late
			kept, d = d, kept
			if d != nil {
				send(d)
			}
		case p < 25: // damaged
			d[rnd.IntN(len(d))] ^= 1 << rnd.IntN(8)
			send(d)
		case p < 27: // cut
			send(d[:rnd.IntN(len(d))])
		default:
			send(d)
		}
	})
	u := startUplink(t, s.public(addr))
	u.send(t, 0, 60, 20_000)
	u.finish(t)
	c.stop()
	checkStored(t, dir, 60)
	t.Logf("collector counted %v", c.edge.Counters())
}

// A session that was silent for so long that HELLO was said again, and then is
// answered after all, goes on: a new one would send again all that is under way.
func TestSessionOutlivesSilence(t *testing.T) {
	s, dir := newTestSite(t), t.TempDir()
	c := startCollector(t, s, dir, "127.0.0.1:0", approve)
	var mu sync.Mutex
	var silent, asked, told bool
	var welcome func() // that was held back
	sessions := map[uint32]bool{}
	addr := road(t, c.addr, func(d []byte, send func([]byte)) {
		mu.Lock()
		defer mu.Unlock()
		kind, id, err := session.ParseHead(d)
		switch {
		case err != nil:
			t.Error(err)
		case silent && (kind == session.TypeData || kind == session.TypeAck):
			return
		case silent && kind == session.TypeWelcome:
			silent, asked = false, true
			welcome = func() { send(d) }
			return
		case asked && kind == session.TypeWelcome: // of another HELLO: only the last one's is taken
			welcome = func() { send(d) }
			return
		case kind == session.TypeData:
			sessions[id] = true
		}
		send(d)
		if asked && kind == session.TypeAck && sessions[id] { // not the new one's first
			welcome()
			asked, told = false, true
		}
	})
	u := startUplink(t, s.public(addr))
	u.send(t, 0, 5, 20_000)
	eventually(t, "the first batches are stored", func() bool { return c.edge.Counters()["batches_stored"] >= 5 })
	mu.Lock()
	silent = true
	mu.Unlock()
	u.send(t, 5, 5, 20_000)
	eventually(t, "the old session is answered before the new one", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return told
	})
	u.send(t, 10, 5, 20_000)
	u.finish(t)
	c.stop()
	checkStored(t, dir, 15)
	mu.Lock()
	defer mu.Unlock()
	if len(sessions) != 1 {
		t.Errorf("DATA came on %d sessions, want 1", len(sessions))
	}
}
