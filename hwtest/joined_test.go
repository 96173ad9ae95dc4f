package hwtest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
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
