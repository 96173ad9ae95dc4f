// Package shared_test kills collectors under load, and looks whether the lakes
// have each record once.
//
// The collectors are processes of their own (this test's binary, started
// again), the sensors real uplinks, PostgreSQL the real one.
package shared_test

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/taproot-sensor/taproot/collector"
	"github.com/taproot-sensor/taproot/collector/fleet"
	"github.com/taproot-sensor/taproot/collector/postgres"
	"github.com/taproot-sensor/taproot/collector/postgres/postgrestest"
	"github.com/taproot-sensor/taproot/firmware/spool"
	"github.com/taproot-sensor/taproot/firmware/uplink"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/record"
	"github.com/taproot-sensor/taproot/wire/site"
)

func TestMain(m *testing.M) {
	if data := os.Getenv("TAPROOT_SHARED_CHILD"); data != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		err := collector.Run(ctx, collector.Config{
			Data: data, Listen: os.Getenv("TAPROOT_SHARED_LISTEN"), Name: "test", Shared: os.Getenv("TAPROOT_SHARED_DB"),
			Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
			Say: func(format string, args ...any) { fmt.Printf(format+"\n", args...) },
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// start is the time of record 0; record n is n nanoseconds later, which is how
// the lakes' rows are told apart.
var start = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

const (
	sensors  = 8
	perBatch = 20
)

// load is sensors that send numbered records.
type load struct {
	sites  func(i int) site.Site
	next   atomic.Int64 // number of the next record
	pipes  [sensors]*io.PipeWriter
	ids    [sensors]enrol.Identity
	keys   [sensors]ed25519.PrivateKey
	uplink errgroup.Group
	said   sync.Map // lines, for a failure
}

func newLoad(t *testing.T, sites func(i int) site.Site) *load {
	l := &load{sites: sites}
	for i := range sensors {
		public, private, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		l.ids[i], l.keys[i] = enrol.Identity(public), private
	}
	return l
}

func (l *load) approve(t *testing.T, r *fleet.Registry) {
	t.Helper()
	for _, id := range l.ids {
		if _, err := r.Seen(id, enrol.Claims{"board": "test"}, netip.MustParseAddrPort("127.0.0.1:1"), time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Approve(t.Context(), id.Code(), "test", time.Now()); err != nil {
			t.Fatal(err)
		}
	}
}

// run starts the sensors. Each makes a batch every so often until stop, and has
// no end before all is stored.
func (l *load) run(ctx context.Context, stop <-chan struct{}) {
	for i := range sensors {
		r, w := io.Pipe()
		l.pipes[i] = w
		l.uplink.Go(func() error {
			return uplink.Run(ctx, uplink.Config{
				Site: l.sites(i), Identity: l.keys[i], Claims: enrol.Claims{"board": "test"}, In: []io.ReadCloser{r}, Spool: spool.New(256 << 20),
				Log: slog.New(slog.DiscardHandler),
				Say: func(line string) { l.said.Store(fmt.Sprintf("%d: %s", i, line), true) },
			})
		})
		l.uplink.Go(func() error {
			defer w.Close()
			for {
				select {
				case <-stop:
					return nil
				case <-time.After(time.Duration(rand.IntN(16)) * time.Millisecond):
				}
				first := l.next.Add(perBatch) - perBatch
				b := record.NewBuilder(record.ARPDef)
				for n := first; n < first+perBatch; n++ {
					record.Append(b, &record.ARP{Time: record.NanosOf(start) + record.Nanos(n), Op: "request"})
				}
				raw := b.AppendBlock(nil)
				f := batch.Frame{Class: batch.Records, Records: perBatch, Batch: batch.Append(nil, batch.None, len(raw), raw)}
				if err := batch.WriteFrame(w, f); err != nil {
					return err
				}
			}
		})
	}
}

// kills is how often a collector is killed.
func kills() int {
	switch {
	case os.Getenv("TAPROOT_SWEEP") != "":
		return 100
	case testing.Short():
		return 1
	}
	return 2
}

// A collector that is killed again and again, at any moment under load, loses
// nothing that it acknowledged, and stores nothing twice.
func TestKillOne(t *testing.T) {
	dir := t.TempDir()
	c := newProcess(t, filepath.Join(dir, "a"), "")
	c.start(t)
	c.stop(t) // it has made its keys
	l := newLoad(t, func(int) site.Site { return c.site(t) })
	r, err := fleet.Open(filepath.Join(c.data, "fleet.db"))
	if err != nil {
		t.Fatal(err)
	}
	l.approve(t, r)
	r.Close()
	killUnderLoad(t, l, nil, c)
}

// Two collectors that share PostgreSQL, stalled and killed in turn while sensors go over
// from one to the other and back, and the database too: both lakes together
// have each record once.
func TestKillEitherOfTwo(t *testing.T) {
	db := postgrestest.Start(t)
	dir := t.TempDir()
	a, b := newProcess(t, filepath.Join(dir, "a"), db.URL), newProcess(t, filepath.Join(dir, "b"), db.URL)
	a.start(t)
	a.stop(t)
	if out, err := exec.Command("cp", "-a", filepath.Join(a.data, "keys"), b.data).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	both := a.site(t)
	l := newLoad(t, func(i int) site.Site {
		s := both
		s.Collectors = []string{a.addr, b.addr}
		if i%2 == 1 {
			s.Collectors = []string{b.addr, a.addr}
		}
		return s
	})
	pool, err := postgres.Open(t.Context(), db.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	r, err := fleet.OpenShared(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	l.approve(t, r)
	killUnderLoad(t, l, db, a, b)
}

// killUnderLoad kills, lets the sensors finish, and checks the lakes.
func killUnderLoad(t *testing.T, l *load, db *postgrestest.Server, all ...*process) {
	for _, p := range all {
		p.start(t)
	}
	stop := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	l.run(ctx, stop)
	total := kills()
	for n := range total {
		p := all[rand.IntN(len(all))]
		pause(200, 2000)
		if rand.IntN(2) == 0 {
			p.flush() // part of the records are in the lake already
		}
		if len(all) > 1 {
			p.stall() // sensors go over with what it has not acknowledged yet
		}
		p.kill(t)
		if db != nil && n%5 == 2 {
			db.Kill()
			pause(0, 500)
			db.Resume()
		}
		pause(0, 1500)
		p.start(t)
	}
	pause(500, 501)
	close(stop)
	done := make(chan error, 1)
	go func() { done <- l.uplink.Wait() }()
	select {
	case err := <-done:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(90 * time.Second):
		l.said.Range(func(line, _ any) bool { t.Log(line); return true })
		t.Fatal("sensors still hold batches after 90 s")
	}
	times := make([]int, l.next.Load())
	var rows []int
	for _, p := range all {
		p.stop(t)
		rows = append(rows, p.countRows(t, times))
	}
	lost, twice := 0, 0
	for _, n := range times {
		switch {
		case n == 0:
			lost++
		case n > 1:
			twice++
		}
	}
	t.Logf("NUMBERS: %d kills -9, %d records sent, in the lakes %v: %d lost, %d twice", total, len(times), rows, lost, twice)
	if lost > 0 || twice > 0 {
		t.Error("records were lost or stored twice")
	}
	if len(times) < 1000 {
		t.Error("too few records: the test tests nothing")
	}
	for i, n := range rows {
		if n == 0 {
			t.Errorf("collector %d has nothing: nobody went over to it", i)
		}
	}
}

func pause(least, most int) {
	time.Sleep(time.Duration(least+rand.IntN(most-least)) * time.Millisecond)
}

// freeAddr returns a loopback address whose UDP port is free.
func freeAddr(t *testing.T) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().String()
}
