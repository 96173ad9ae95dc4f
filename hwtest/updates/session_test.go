package updates_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/taproot-sensor/taproot/collector/edge"
	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/collector/rollout"
	"github.com/taproot-sensor/taproot/firmware/fetch"
	"github.com/taproot-sensor/taproot/firmware/slots"
	"github.com/taproot-sensor/taproot/firmware/spool"
	"github.com/taproot-sensor/taproot/firmware/uplink"
	"github.com/taproot-sensor/taproot/provisioning"
	"github.com/taproot-sensor/taproot/wire/enrol"
)

// session returns a way to fetch over a sensor's own session with a collector
// that serves s. Every lossy-th datagram either way is lost; 0 loses none.
func session(t *testing.T, s *rollout.Server, lossy int) *uplink.Files {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	keys, err := provisioning.CreateKeys(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	j, _, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	udp, err := edge.ListenUDP("127.0.0.1:0", log)
	if err != nil {
		t.Fatal(err)
	}
	box, boxKey := [32]byte(keys.Box), [32]byte(keys.BoxKey())
	e := edge.New(edge.Config{
		Box: &box, BoxKey: &boxKey, Identity: keys.IdentityKey(), Journal: j, Log: log, Open: func(id enrol.Identity, name string) (io.ReadSeekCloser, error) { return s.OpenFor(id.Code(), name) },
		Decide: func(enrol.Identity, enrol.Claims, netip.AddrPort) (enrol.Status, error) { return enrol.Approved, nil },
	})
	to := udp.Addr().String()
	if lossy > 0 {
		to = lose(t, to, lossy)
	}
	_, identity, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	files := uplink.NewFiles()
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	g, serving := errgroup.WithContext(ctx)
	g.Go(func() error { return e.Run(serving) })
	g.Go(func() error { return udp.Run(serving, e) })
	sensor := make(chan error, 1)
	go func() {
		sensor <- uplink.Run(context.Background(), uplink.Config{
			Site: keys.Site("test", []string{to}), Identity: identity, Claims: enrol.Claims{"board": "pc"}, Spool: spool.New(1 << 20),
			In: []io.ReadCloser{in}, Log: log, Say: func(string) {}, Files: files,
		})
	}()
	t.Cleanup(func() {
		out.Close()
		if err := <-sensor; err != nil {
			t.Error(err)
		}
		cancel()
		err := errors.Join(g.Wait(), j.Close())
		e.Flush()
		if err := errors.Join(err, udp.Close()); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
	})
	return files
}

// lose returns the address of a relay to another that loses every n-th datagram
// of each direction, by chance.
func lose(t *testing.T, to string, n int) string {
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
	sensor := make(chan *net.UDPAddr, 1)
	go func() {
		buf := make([]byte, 2048)
		for first := true; ; first = false {
			size, from, err := front.ReadFromUDP(buf)
			if err != nil {
				return
			}
			if first {
				sensor <- from
			}
			if rand.IntN(n) > 0 {
				back.Write(buf[:size])
			}
		}
	}()
	go func() {
		from := <-sensor
		buf := make([]byte, 2048)
		for {
			size, err := back.Read(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil && rand.IntN(n) > 0 {
				front.WriteToUDP(buf[:size], from)
			}
		}
	}()
	return front.LocalAddr().String()
}

// Releases come over the session too, whatever gets lost on the way, and when
// the other way is shut.
func TestReleaseOverSession(t *testing.T) {
	for name, lossy := range map[string]int{"clean": 0, "lossy": 10} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.sign(imageOf(t, "pc", "1.0"), stable)
			second := w.sign(imageOf(t, "pc", "1.1"), stable)
			w.publish()
			files := session(t, &rollout.Server{Dir: w.served, Log: slog.New(slog.DiscardHandler)}, lossy)
			w.fetch.Fetcher = &fetch.Either{HTTPS: shut{}, Session: files}
			start := time.Now()
			got, how, err := w.run(slotOf("another"), slots.State{})
			if err != nil || how != second.Target || !bytes.Equal(got, slotOf("pc1.1")) {
				t.Fatalf("got %d bytes, from %q, %v", len(got), how, err)
			}
			t.Logf("%d bytes in %v", w.fetch.bytes, time.Since(start))
			if _, err := files.Fetch(t.Context(), "metadata/9.root.json", 0, make([]byte, 100)); !errors.Is(err, fetch.ErrNone) {
				t.Errorf("a file that is not there: %v", err)
			}
			if n, err := files.Fetch(t.Context(), "metadata/timestamp.json", 1<<40, make([]byte, 100)); n != 0 || err != io.EOF {
				t.Errorf("behind the end: %d, %v", n, err)
			}
		})
	}
}

// shut is a way that is shut.
type shut struct{}

func (shut) Fetch(context.Context, string, int64, []byte) (int, error) {
	return 0, errors.New("shut")
}
