package hwtest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/curve25519"
	"golang.org/x/crypto/nacl/box"

	"github.com/taproot-sensor/taproot/collector"
	"github.com/taproot-sensor/taproot/collector/control"
	"github.com/taproot-sensor/taproot/collector/fleet"
	"github.com/taproot-sensor/taproot/provisioning"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/seal"
	"github.com/taproot-sensor/taproot/wire/session"
	"github.com/taproot-sensor/taproot/wire/site"
)

// wholeCollector is the real collector, with everything that it keeps on disk.
type wholeCollector struct {
	*control.Client
	dir  string
	addr string
	stop func()
}

func startWholeCollector(t *testing.T) *wholeCollector {
	t.Helper()
	dir, err := os.MkdirTemp("", "tr") // short: it holds a unix socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.ListenPacket("udp", "127.0.0.1:0") // a port that is free
	if err != nil {
		t.Fatal(err)
	}
	c := &wholeCollector{Client: control.NewClient(dir), dir: dir, addr: l.LocalAddr().String()}
	l.Close()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- collector.Run(ctx, collector.Config{
			Data: dir, Listen: c.addr, Addresses: []string{c.addr}, Name: "test",
			Log: slog.New(slog.DiscardHandler), Say: func(string, ...any) {},
		})
	}()
	c.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(c.stop)
	eventually(t, "the collector runs", func() bool { _, err := c.Status(t.Context()); return err == nil })
	return c
}

// site returns what an image for this collector knows, but for its address.
func (c *wholeCollector) site(t *testing.T, addr string) site.Site {
	t.Helper()
	s, err := provisioning.LoadSite(filepath.Join(c.dir, "site.toml"))
	if err != nil {
		t.Fatal(err)
	}
	s.Collectors = []string{addr}
	return s
}

// approve approves the one sensor that waits, and returns it.
func (c *wholeCollector) approve(t *testing.T) (s fleet.Sensor) {
	t.Helper()
	eventually(t, "a sensor waits", func() bool {
		list, err := c.Sensors(t.Context())
		if err != nil || len(list) == 0 || list[0].State != fleet.Pending {
			return false
		}
		s, err = c.Approve(t.Context(), list[0].ID, "test")
		return err == nil
	})
	return s
}

// tape records what passes on a road.
type tape struct {
	mu  sync.Mutex
	all [][]byte
}

func (r *tape) spoil(d []byte, send func([]byte)) {
	r.mu.Lock()
	r.all = append(r.all, bytes.Clone(d))
	r.mu.Unlock()
	send(d)
}

// recorded returns what has passed by now.
func (r *tape) recorded() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.all)
}

// TestKeyLife has the epoch rotate and the site key be handed over under load,
// with nothing lost and nothing stored twice. Then somebody who has recorded
// every datagram steals every key file: no batch can be opened.
func TestKeyLife(t *testing.T) {
	c, rec := startWholeCollector(t), new(tape)
	image := c.site(t, road(t, c.addr, rec.spoil))
	u := startUplink(t, image)
	c.approve(t)
	counter := func(name string) uint64 {
		status, err := c.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return status.Counters[name]
	}
	const rounds, each = 8, 40
	for i := range rounds {
		u.send(t, i*each, each, 8000)
		eventually(t, "batches are stored", func() bool { return u.hasSaid("first batch acknowledged") })
		before := counter("edge_welcomes")
		var err error
		switch i % 4 {
		case 1:
			err = c.Rotate(t.Context())
		case 3:
			if _, err = c.HandOver(t.Context()); err == nil {
				err = c.Rotate(t.Context()) // so that the sensor says HELLO, to the key of its image
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 1 {
			begin := time.Now()
			eventually(t, "the sensor has a session of the new epoch", func() bool { return counter("edge_welcomes") > before })
			t.Logf("a new session %v after the command", time.Since(begin).Round(time.Millisecond))
		}
	}
	u.finish(t)
	if n := counter("edge_moved"); n < 2 {
		t.Errorf("the sensor was told of a new key %d times, want 2", n)
	}

	// A sensor whose image is two keys old still gets in.
	late := startUplink(t, image)
	late.send(t, rounds*each, 1, 100)
	c.approve(t)
	late.finish(t)
	if now := c.site(t, c.addr); now.Box == image.Box {
		t.Error("site.toml still has the first key")
	}
	c.stop()
	checkStored(t, filepath.Join(c.dir, "journal"), rounds*each+1)
	checkThief(t, c.dir, rec.recorded())
}

// checkThief tries every secret in the key files of dir against every recorded
// datagram.
func checkThief(t *testing.T, dir string, recorded [][]byte) {
	t.Helper()
	var secrets [][32]byte
	files, err := filepath.Glob(filepath.Join(dir, "keys", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, digits := range regexp.MustCompile(`[0-9a-f]{64}`).FindAll(text, -1) {
			b, _ := hex.DecodeString(string(digits)) // they are hex digits
			secrets = append(secrets, [32]byte(b))
		}
	}
	thief := newThief(secrets)
	for _, d := range recorded {
		thief.read(d)
	}
	opened, data := thief.open(recorded)
	t.Logf("%d key files with %d secrets; of %d datagrams %d HELLOs and WELCOMEs open, as they must; of %d DATA and ACK %d", len(files), len(secrets), len(recorded), thief.read2, data, opened)
	if len(secrets) < 5 || thief.read2 == 0 || len(thief.salts) == 0 || data == 0 {
		t.Error("the thief has tried nothing")
	}
	if opened != 0 {
		t.Errorf("%d of %d datagrams of sessions were opened with stolen keys", opened, data)
	}

	// The same thief does open DATA that is sealed with a key on the disk.
	public, private, err := box.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var shared, siteKey [32]byte
	curve25519.ScalarBaseMult(&siteKey, &secrets[0])
	box.Precompute(&shared, &siteKey, private)
	weak := seal.NewLink(&shared, thief.salts[0], seal.Sensor).Seal(nil, session.Head(session.TypeData, 1), 1, []byte("a batch"))
	thief.publics[*public] = true
	if n, _ := thief.open([][]byte{weak}); n == 0 {
		t.Error("the thief would not open DATA that is sealed with a stolen key: the test proves nothing")
	}
}

// thief has secrets and learns from what it can open.
type thief struct {
	secrets [][32]byte
	publics map[[32]byte]bool
	salts   []seal.Salt
	shared  map[[32]byte][][32]byte // of a boot key
	read2   int                     // HELLOs and WELCOMEs that were opened
}

func newThief(secrets [][32]byte) *thief {
	th := &thief{secrets: secrets, publics: map[[32]byte]bool{}, shared: map[[32]byte][][32]byte{}}
	for _, s := range secrets {
		var public [32]byte
		curve25519.ScalarBaseMult(&public, &s)
		th.publics[public] = true
	}
	return th
}

// read opens HELLO and WELCOME.
func (th *thief) read(d []byte) {
	switch typ, _, _ := session.ParseHead(d); typ {
	case session.TypeHello:
		h, err := enrol.ParseHello(d)
		if err != nil {
			return
		}
		th.publics[h.BootKey] = true
		for _, s := range th.secrets {
			var shared, siteKey [32]byte
			box.Precompute(&shared, &h.BootKey, &s)
			curve25519.ScalarBaseMult(&siteKey, &s)
			if _, err := h.Open(&shared, &siteKey); err == nil {
				th.read2++
				th.shared[h.BootKey] = append(th.shared[h.BootKey], shared)
			}
		}
	case session.TypeWelcome:
		for _, all := range th.shared {
			for _, shared := range all {
				plain, ok := box.OpenAfterPrecomputation(nil, d[28:], (*[24]byte)(d[4:]), &shared)
				if !ok {
					continue
				}
				th.read2++
				th.publics[[32]byte(plain[36:])] = true // epoch key
				th.salts = append(th.salts, seal.Salt(plain[144:]))
				return
			}
		}
	}
}

// open tries every pair of a secret and a public key, with every salt, on every
// datagram of a session.
func (th *thief) open(recorded [][]byte) (opened, tried int) {
	var links []*seal.Link
	seen := map[seal.Salt]bool{}
	for _, salt := range th.salts {
		if seen[salt] {
			continue
		}
		seen[salt] = true
		for _, s := range th.secrets {
			for p := range th.publics {
				var shared [32]byte
				box.Precompute(&shared, &p, &s)
				links = append(links, seal.NewLink(&shared, salt, seal.Sensor), seal.NewLink(&shared, salt, seal.Collector))
			}
		}
	}
	for _, d := range recorded {
		if typ, _, _ := session.ParseHead(d); typ != session.TypeData && typ != session.TypeAck || len(d) < seal.Overhead {
			continue
		}
		tried++
		for _, l := range links {
			_, tag := l.Check(d)
			if tag == nil { // and not only the box: a link whose tag is right has the key
				opened++
				break
			}
		}
	}
	return opened, tried
}

// A sensor that is revoked is not stored from at once, though it goes on
// sending.
func TestRevokeTakesEffect(t *testing.T) {
	c := startWholeCollector(t)
	u := startUplink(t, c.site(t, c.addr))
	s := c.approve(t)
	stored := func() uint64 {
		st, err := c.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return st.Counters["edge_batches_stored"]
	}
	stop := make(chan struct{})
	var sending sync.WaitGroup
	sending.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				u.send(t, i, 1, 3000)
				time.Sleep(2 * time.Millisecond)
			}
		}
	})
	eventually(t, "batches are stored", func() bool { return stored() > 20 })
	if _, err := c.Revoke(t.Context(), s.ID, "test"); err != nil {
		t.Fatal(err)
	}
	begin, last, n := time.Now(), time.Now(), stored()
	for time.Since(last) < 2*time.Second && time.Since(begin) < 10*time.Second {
		if now := stored(); now != n {
			n, last = now, time.Now()
		}
		time.Sleep(5 * time.Millisecond)
	}
	close(stop)
	sending.Wait()
	t.Logf("NUMBERS the last batch of a revoked sensor was stored %v after the command; goal 5 s", last.Sub(begin).Round(time.Millisecond))
	if last.Sub(begin) > 5*time.Second {
		t.Errorf("batches are stored %v after the sensor was revoked", last.Sub(begin))
	}
	eventually(t, "the sensor is told", func() bool { return u.hasSaid("refused: this sensor was revoked") })
}

// Each boot of a sensor, and so each start of its uplink, has a key of its own.
func TestBootKeyIsFresh(t *testing.T) {
	s := newTestSite(t)
	c := startCollector(t, s, t.TempDir(), "127.0.0.1:0", approve)
	keys := map[[32]byte]bool{}
	_, identity, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for boot := range 3 {
		rec := new(tape)
		u := startUplinkAs(t, s.public(road(t, c.addr, rec.spoil)), identity)
		u.send(t, boot, 1, 100)
		u.finish(t)
		for _, d := range rec.recorded() {
			if h, err := enrol.ParseHello(d); err == nil && d[3] == byte(session.TypeHello) {
				keys[h.BootKey] = true
			}
		}
		if len(keys) != boot+1 {
			t.Fatalf("after %d boots %d boot keys were shown", boot+1, len(keys))
		}
	}
}
