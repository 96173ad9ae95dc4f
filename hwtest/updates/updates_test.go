// Package updates_test takes releases from the bench to the sensor without a
// machine: the repository is signed, published, served by HTTPS, fetched through
// the socket between two processes, verified and rebuilt by the code of each
// side. What a machine then does with a slot is in hwtest.
package updates_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"io"
	"log"
	"log/slog"
	"math/big"
	mathrand "math/rand/v2"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/taproot-sensor/taproot/collector/rollout"
	"github.com/taproot-sensor/taproot/firmware/fetch"
	"github.com/taproot-sensor/taproot/firmware/slots"
	"github.com/taproot-sensor/taproot/firmware/update"
	"github.com/taproot-sensor/taproot/provisioning/releases"
	"github.com/taproot-sensor/taproot/wire/delta"
	"github.com/taproot-sensor/taproot/wire/release"
	"github.com/taproot-sensor/taproot/wire/site"
)

const slotSize = 2 << 20

// slotOf returns a slot with a program in it that differs a little by version.
func slotOf(version string) []byte {
	r := mathrand.New(mathrand.NewPCG(1, 2))
	program := make([]byte, 512<<10)
	for i := range program {
		program[i] = byte(r.IntN(12))
	}
	copy(program[100_000:], version)
	b := append([]byte(strings.Repeat("kernel", 1000)), delta.Compress(nil, program)...)
	return append(b, make([]byte, slotSize-len(b))...)
}

func imageOf(t *testing.T, board, name string) releases.Image {
	t.Helper()
	slot := slotOf(board + name)
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(slot)
	return releases.Image{Board: board, Release: name, Slot: enc.EncodeAll(slot, nil), Digest: hex.EncodeToString(sum[:]), Size: slotSize}
}

// counting counts what is fetched.
type counting struct {
	fetch.Fetcher
	bytes int
}

func (c *counting) Fetch(ctx context.Context, name string, off int64, buf []byte) (int, error) {
	n, err := c.Fetcher.Fetch(ctx, name, off, buf)
	c.bytes += n
	return n, err
}

// A world is a bench, a collector and a sensor.
type world struct {
	t      *testing.T
	repo   *releases.Repo
	keys   string
	served string
	fetch  *counting
	sensor *update.Follower
	memory int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, keys: filepath.Join(dir, "keys"), served: filepath.Join(dir, "data", "releases"), memory: 64 << 20}
	var err error
	if w.repo, err = releases.Create(filepath.Join(dir, "repo"), w.keys); err != nil {
		t.Fatal(err)
	}
	root, err := releases.ReadRoot(filepath.Join(dir, "repo", "metadata", "root.json"))
	if err != nil {
		t.Fatal(err)
	}
	w.fetch = &counting{Fetcher: serve(t, &rollout.Server{Dir: w.served, Log: slog.New(slog.DiscardHandler)})}
	w.sensor = &update.Follower{
		Board: "pc", Unit: "0011223344556677", Root: root, Fetch: w.fetch,
		Memory: func() (int, error) { return w.memory, nil },
	}
	return w
}

// serve returns the sensor's way to a server: HTTPS and, in place of a session,
// the server itself; and the socket between the sensor's two processes.
func serve(t *testing.T, s *rollout.Server) fetch.Fetcher {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(s.Handler())
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}}
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of the stranger
	srv.StartTLS()
	t.Cleanup(srv.Close)
	where := site.Site{Collectors: []string{"127.0.0.1:1", srv.Listener.Addr().String()}, Identity: site.Key(public)}

	stranger := where
	stranger.Identity = site.Key{1}
	if _, err := fetch.NewHTTPS(stranger).Fetch(t.Context(), "metadata/timestamp.json", 0, make([]byte, 10)); err == nil {
		t.Error("a server with another identity is spoken to")
	}

	var link fetch.Link
	conn, err := link.Connect()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	https := fetch.NewHTTPS(where)
	question := release.Query{Board: "pc", Unit: "0011223344556677", Slot: strings.Repeat("0", 64)}.Name()
	if _, err := https.Fetch(t.Context(), question, 0, make([]byte, release.MaxOffer)); !errors.Is(err, fetch.ErrNone) {
		t.Errorf("a question without a session: %v", err)
	}
	go func() { done <- fetch.Serve(ctx, conn, &fetch.Either{HTTPS: https, Session: asked{s}}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return &link
}

// asked is a server without a way to it.
type asked struct{ *rollout.Server }

func (a asked) Fetch(_ context.Context, name string, off int64, buf []byte) (int, error) {
	content, err := a.OpenFor("", name)
	if err != nil {
		return 0, fetch.ErrNone
	}
	defer content.Close()
	if _, err := content.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.ReadFull(content, buf)
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	return n, err
}

func (w *world) sign(img releases.Image, o releases.SignOptions) releases.Named {
	w.t.Helper()
	n, err := w.repo.Sign(img, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) publish() {
	w.t.Helper()
	if _, err := w.repo.Publish(w.served); err != nil {
		w.t.Fatal(err)
	}
}

// run does what a sensor does that runs a slot, and returns the slot that it
// would install, or nil.
func (w *world) run(running []byte, state slots.State) ([]byte, string, error) {
	w.t.Helper()
	from := slots.Digest(sha256.Sum256(running))
	c, _, err := w.sensor.Check(w.t.Context(), from, state)
	if err != nil || c == nil {
		return nil, "", err
	}
	r, how, err := w.sensor.Bring(w.t.Context(), c, bytes.NewReader(running), from)
	if err != nil {
		return nil, how, err
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err == nil && sha256.Sum256(got) != c.Digest {
		err = update.ErrDigest
	}
	return got, how, err
}

var stable = releases.SignOptions{Channels: []string{"stable"}, Deltas: 3}

func TestReleaseReachesSensor(t *testing.T) {
	w := newWorld(t)
	w.sign(imageOf(t, "pc", "1.0"), stable)
	w.sign(imageOf(t, "rpi4", "1.0"), stable)
	second := w.sign(imageOf(t, "pc", "1.1"), stable)
	w.publish()
	one, two := slotOf("pc1.0"), slotOf("pc1.1")

	got, how, err := w.run(one, slots.State{})
	if err != nil || !bytes.Equal(got, two) || !strings.HasSuffix(how, ".delta") {
		t.Errorf("from release 1.0: %d bytes, from %q, %v", len(got), how, err)
	}
	t.Logf("%d bytes were fetched for a change of one line", w.fetch.bytes)
	if w.fetch.bytes > 12<<10 {
		t.Errorf("%d bytes were fetched, want at most %d", w.fetch.bytes, 12<<10)
	}
	got, how, err = w.run(slotOf("something else"), slots.State{})
	if err != nil || !bytes.Equal(got, two) || how != second.Target {
		t.Errorf("from another system: %d bytes, from %q, %v", len(got), how, err)
	}
	if got, how, err = w.run(two, slots.State{}); got != nil || err != nil {
		t.Errorf("from the release itself: %d bytes, from %q, %v", len(got), how, err)
	}
	if err := w.repo.Withdraw(second); err != nil {
		t.Fatal(err)
	}
	w.publish()
	if got, _, err = w.run(two, slots.State{}); err != nil || !bytes.Equal(got, one) {
		t.Errorf("after it was withdrawn: %d bytes, %v; want the release before it", len(got), err)
	}
}

// Whatever is wrong with a release, it is refused before a byte of it is used,
// and for a reason that is counted.
func TestBadReleases(t *testing.T) {
	tests := []struct {
		name   string
		spoil  func(w *world, n releases.Named)
		state  slots.State
		reason string
	}{
		{name: "truncated", reason: "damaged", spoil: func(w *world, n releases.Named) {
			w.change(n, func(b []byte) []byte { return b[:len(b)-7] })
		}},
		{name: "bit-flipped", reason: "damaged", spoil: func(w *world, n releases.Named) {
			w.change(n, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		}},
		{name: "unsigned", reason: "unsigned", spoil: func(w *world, _ releases.Named) {
			w.edit("metadata/*.releases.json", "1.1", "6.6")
		}},
		{name: "unsigned timestamp", reason: "unsigned", spoil: func(w *world, _ releases.Named) {
			w.edit("metadata/timestamp.json", `"expires":"20`, `"expires":"21`)
		}},
		{name: "of another repository", reason: "unsigned", spoil: func(w *world, _ releases.Named) {
			other := newWorld(w.t)
			w.repo = other.repo
			w.sign(imageOf(w.t, "pc", "1.0"), stable)
			w.sign(imageOf(w.t, "pc", "1.1"), stable)
			w.publish()
		}},
		{name: "signed by a removed key", reason: "unsigned", spoil: func(w *world, _ releases.Named) {
			old, err := os.ReadFile(w.newest("releases"))
			if err != nil {
				w.t.Fatal(err)
			}
			if err := w.repo.Rekey(filepath.Join(w.keys, "new")); err != nil {
				w.t.Fatal(err)
			}
			w.publish()
			if err := os.WriteFile(w.newest("releases"), old, 0o644); err != nil {
				w.t.Fatal(err)
			}
		}},
		{name: "older than the floor", reason: "floor", state: slots.State{Floor: 3}},
		{name: "larger than memory", reason: "memory", spoil: func(w *world, _ releases.Named) { w.memory = 9 << 20 }},
		{name: "for another board", reason: "board", spoil: func(w *world, n releases.Named) {
			w.sensor.Board, w.sensor.Fetch = "rpi4", insists{w.fetch, n.Target}
		}},
		{name: "failed before", reason: "failed_before", state: slots.State{
			Failed: []slots.Failed{{Digest: sha256.Sum256(slotOf("pc1.1")), Tries: 1, Why: slots.Unconfirmed}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.sign(imageOf(t, "pc", "1.0"), stable)
			n := w.sign(imageOf(t, "pc", "1.1"), releases.SignOptions{Channels: []string{"stable"}})
			w.publish()
			if tt.reason == "failed_before" { // the collector would not even offer it
				w.sensor.Fetch = insists{w.fetch, n.Target}
			}
			if tt.spoil != nil {
				tt.spoil(w, n)
			}
			got, _, err := w.run(slotOf("pc1.0"), tt.state)
			if err == nil || update.Reason(err) != tt.reason {
				t.Errorf("got %d bytes, error %v (%s), want one for reason %q", len(got), err, update.Reason(err), tt.reason)
			}
			t.Log(err)
		})
	}
}

// change changes the image of a release where it is served.
func (w *world) change(n releases.Named, how func([]byte) []byte) {
	files, _ := filepath.Glob(filepath.Join(w.served, "targets", "*."+n.Target))
	b, err := os.ReadFile(files[0])
	if err == nil {
		err = os.WriteFile(files[0], how(b), 0o644)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// edit replaces text in the metadata that is served.
func (w *world) edit(pattern, old, new string) {
	files, _ := filepath.Glob(filepath.Join(w.served, pattern))
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err == nil {
			err = os.WriteFile(f, []byte(strings.ReplaceAll(string(b), old, new)), 0o644)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// newest returns the newest metadata of a role that is served.
func (w *world) newest(role string) string {
	files, _ := filepath.Glob(filepath.Join(w.served, "metadata", "*."+role+".json"))
	return files[len(files)-1]
}

// insists offers one release whatever is asked.
type insists struct {
	fetch.Fetcher
	target string
}

func (i insists) Fetch(ctx context.Context, name string, off int64, buf []byte) (int, error) {
	if strings.HasPrefix(name, "offer/") {
		return copy(buf, `{"target":"`+i.target+`"}`), io.EOF
	}
	return i.Fetcher.Fetch(ctx, name, off, buf)
}

// A collector that goes back to older metadata is not followed.
func TestMetadataDoesNotGoBack(t *testing.T) {
	w := newWorld(t)
	w.sign(imageOf(t, "pc", "1.0"), stable)
	w.publish()
	old, err := os.ReadFile(filepath.Join(w.served, "metadata", "timestamp.json"))
	if err != nil {
		t.Fatal(err)
	}
	w.sign(imageOf(t, "pc", "1.1"), stable)
	w.publish()
	if _, _, err := w.run(slotOf("pc0.9"), slots.State{}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.served, "metadata", "timestamp.json"), old, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.run(slotOf("pc0.9"), slots.State{}); !errors.Is(err, update.ErrUnsigned) {
		t.Errorf("got %v, want it refused", err)
	}
}

// What sensors would refuse is not published.
func TestPublishVerifies(t *testing.T) {
	w := newWorld(t)
	w.sign(imageOf(t, "pc", "1.0"), stable)
	name := filepath.Join(w.repo.Dir, "metadata", "2.releases.json")
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, bytes.Replace(data, []byte(`"1.0"`), []byte(`"6.6"`), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	if n, err := w.repo.Publish(w.served); err == nil || n != 0 || !strings.Contains(err.Error(), "sensors would not take it: releases") {
		t.Errorf("changed metadata: %d files are published, %v", n, err)
	}
	if _, err := os.Stat(w.served); err == nil {
		t.Error("something is served")
	}
}

// A new release key is followed by sensors with the old root, and one root key
// alone makes none.
func TestRekey(t *testing.T) {
	w := newWorld(t)
	w.sign(imageOf(t, "pc", "1.0"), stable)
	fresh := filepath.Join(w.keys, "new")
	if err := w.repo.Rekey(fresh); err != nil {
		t.Fatal(err)
	}
	w.sign(imageOf(t, "pc", "1.1"), stable)
	w.publish()
	if got, _, err := w.run(slotOf("pc1.0"), slots.State{}); err != nil || !bytes.Equal(got, slotOf("pc1.1")) {
		t.Errorf("with a new key: %d bytes, %v", len(got), err)
	}
	old, err := releases.Open(w.repo.Dir, w.keys)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Sign(imageOf(t, "pc", "1.2"), stable); err == nil || !strings.Contains(err.Error(), "not the one that the root keys have named") {
		t.Errorf("with the old key: %v", err)
	}
	for _, name := range []string{"root-2.key", "root-3.key"} {
		if err := os.Remove(filepath.Join(w.keys, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := old.Rekey(filepath.Join(w.keys, "third")); err == nil || !strings.Contains(err.Error(), "1 of the 3 root keys") {
		t.Errorf("with one root key: %v", err)
	}
	if err := os.Chmod(filepath.Join(w.keys, "online.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := old.Publish(w.served); err == nil || !strings.Contains(err.Error(), "others can read it") {
		t.Errorf("with a key that others can read: %v", err)
	}
}
