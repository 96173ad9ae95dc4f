package control_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taproot-sensor/taproot/collector/control"
	"github.com/taproot-sensor/taproot/collector/edge/quota"
	"github.com/taproot-sensor/taproot/collector/fleet"
	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/collector/rollout"
	"github.com/taproot-sensor/taproot/collector/tally"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/record"
	"github.com/taproot-sensor/taproot/wire/site"
)

// shortDir returns a directory whose path leaves room for a socket.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

type running struct {
	*control.Client
	dir     string
	server  *control.Server
	decided []fleet.Sensor
	rotated int
}

// run starts a server with one pending sensor, and stops it with the test.
func run(t *testing.T) *running {
	t.Helper()
	r := &running{dir: shortDir(t)}
	reg, err := fleet.Open(filepath.Join(r.dir, "fleet.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reg.Close() })
	if _, err := reg.Seen(enrol.Identity{1}, enrol.Claims{"host": "h"}, netip.MustParseAddrPort("192.0.2.1:1"), time.Now()); err != nil {
		t.Fatal(err)
	}
	j, _, err := journal.Open(filepath.Join(r.dir, "journal"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	r.server = &control.Server{
		Fleet: reg, Journal: j,
		Known: func() func(string) control.Known {
			known := control.Known{
				Loss:   tally.Loss{Records: 7, Reasons: map[string]uint64{"spool.drop_full_flow": 7}},
				Quota:  quota.Usage{Stored: 1 << 40, Refused: 2, Slowed: true},
				Update: &rollout.UnitStatus{Unit: "0123456789abcdef", Runs: "1.0", Failed: []string{"1.1"}},
			}
			return func(string) control.Known { return known }
		},
		Rotate:   func() { r.rotated++ },
		HandOver: func() (site.Site, error) { return site.Site{Name: "home", Box: site.Key{1}}, nil },
		Decided:  func(s fleet.Sensor) { r.decided = append(r.decided, s) },
		Query: func(_ context.Context, sql string, out io.Writer) error {
			fmt.Fprintf(out, "[%q]\n", sql)
			return nil
		},
		Status: func() control.Status { return control.Status{Counters: map[string]uint64{"edge.batches": 1<<63 + 1}} },
	}
	l, err := control.Listen(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.server.Run(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	r.Client = control.NewClient(r.dir)
	return r
}

func TestKeys(t *testing.T) {
	r := run(t)
	if err := r.Rotate(t.Context()); err != nil || r.rotated != 1 {
		t.Errorf("Rotate = %v, rotated %d times", err, r.rotated)
	}
	if s, err := r.HandOver(t.Context()); err != nil || s.Box != (site.Key{1}) {
		t.Errorf("HandOver = %+v, %v", s, err)
	}
}

func TestSensors(t *testing.T) {
	r := run(t)
	code := enrol.Identity{1}.Code()
	s, err := r.Approve(t.Context(), code, "ann")
	if err != nil || s.State != fleet.Approved || s.DecidedBy != "ann" {
		t.Fatalf("Approve = %+v, %v", s, err)
	}
	if s, err = r.Revoke(t.Context(), code, "bob"); err != nil || s.State != fleet.Revoked {
		t.Fatalf("Revoke = %+v, %v", s, err)
	}
	list, err := r.Sensors(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]control.Sensor{{Sensor: s, Known: r.server.Known()("")}}, list); diff != "" {
		t.Errorf("sensors (-want +got)\n%s", diff)
	}
	if len(r.decided) != 2 || r.decided[1].State != fleet.Revoked {
		t.Errorf("decisions told = %+v", r.decided)
	}
	if _, err := r.Approve(t.Context(), "../x y?", "ann"); err == nil || !strings.Contains(err.Error(), `sensor "../x y?": not found`) {
		t.Errorf("approving nobody: %v", err)
	}
	if st, err := r.Status(t.Context()); err != nil || st.Counters["edge.batches"] != 1<<63+1 {
		t.Errorf("Status = %+v, %v", st, err)
	}
}

func TestQueryStreams(t *testing.T) {
	r := run(t)
	var got []string
	ask := func() error {
		got = nil
		return r.Query(t.Context(), "SELECT 'ü'", func(line []byte) error {
			got = append(got, string(line))
			return nil
		})
	}
	if err := ask(); err != nil || !cmp.Equal(got, []string{`["SELECT 'ü'"]`}) {
		t.Errorf("Query = %q, %v", got, err)
	}
	r.server.Query = func(context.Context, string, io.Writer) error { return errors.New("bad query") }
	if err := ask(); err == nil || err.Error() != "bad query" {
		t.Errorf("error before the first row = %v", err)
	}
	r.server.Query = func(_ context.Context, _ string, out io.Writer) error {
		io.WriteString(out, "[1]\n")
		return errors.New("took too long")
	}
	if err := ask(); err == nil || err.Error() != "took too long" || !cmp.Equal(got, []string{"[1]"}) {
		t.Errorf("error after the first row = %q, %v", got, err)
	}
}

func TestTail(t *testing.T) {
	r := run(t)
	b := record.NewBuilder(record.ARPDef)
	record.Append(b, &record.ARP{Time: 1, Op: "request"})
	record.Append(b, &record.ARP{Time: 2, Op: "reply"})
	health := record.NewBuilder(record.SensorDef)
	record.Append(health, &record.Sensor{Time: 3, Stage: "decode"})
	raw := health.AppendBlock(b.AppendBlock(nil))
	body := batch.Append(nil, batch.None, len(raw), raw)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	go func() { // batches keep coming: the tail begins at one of them
		for n := uint64(0); ctx.Err() == nil; n++ {
			r.server.Journal.Append(journal.Entry{Sensor: [32]byte{0xab}, Batch: n, Body: body}, func(error) {})
			time.Sleep(time.Millisecond)
		}
	}()
	var got []map[string]any
	err := r.Tail(ctx, "arp", func(line []byte) error {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if got = append(got, m); len(got) >= 4 {
			stop() // lines that are on their way still come
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Tail = %v, want context.Canceled", err)
	}
	one := map[string]any{"sensor": "ab00000000000000", "kind": "arp", "ts": "1970-01-01T00:00:00.000000001Z", "op": "request"}
	two := map[string]any{"sensor": "ab00000000000000", "kind": "arp", "ts": "1970-01-01T00:00:00.000000002Z", "op": "reply"}
	if diff := cmp.Diff([]map[string]any{one, two, one, two}, got[:min(4, len(got))]); diff != "" {
		t.Errorf("records (-want +got)\n%s", diff)
	}
}

func TestListen(t *testing.T) {
	r := run(t)
	info, err := os.Stat(control.SocketPath(r.dir))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v; want 0600", info.Mode(), err)
	}
	if _, err := control.Listen(r.dir); err == nil || !strings.Contains(err.Error(), "already runs") {
		t.Errorf("second collector: %v", err)
	}
	stale := shortDir(t)
	if err := os.WriteFile(control.SocketPath(stale), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := control.Listen(stale)
	if err != nil {
		t.Fatalf("a stale socket was not replaced: %v", err)
	}
	l.Close()
	long := filepath.Join(stale, strings.Repeat("x", 100))
	if _, err := control.Listen(long); err == nil || !strings.Contains(err.Error(), "shorter path") {
		t.Errorf("long path: %v", err)
	}
}

func TestNobodyListens(t *testing.T) {
	_, err := control.NewClient("/nowhere").Sensors(t.Context())
	if err == nil || !strings.Contains(err.Error(), `no collector runs on /nowhere`) {
		t.Errorf("error = %v", err)
	}
}
