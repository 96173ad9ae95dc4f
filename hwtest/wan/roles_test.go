//go:build linux

package wan_test

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/collector/edge"
	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/firmware/spool"
	"github.com/taproot-sensor/taproot/firmware/uplink"
	"github.com/taproot-sensor/taproot/hwtest/wan"
	"github.com/taproot-sensor/taproot/internal/ranges"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/site"
)

// The test binary is also the programs that run at the two ends of a road: they
// are told by this variable which one to be, and by JSON in wanConfig the rest.
const (
	roleVariable   = "TAPROOT_WAN_ROLE"
	configVariable = "TAPROOT_WAN_CONFIG"
)

var port = 7755

func TestMain(m *testing.M) {
	roles := map[string]func(endConfig) error{"collector": runCollector, "sensor": runSensor, "sink": runSink, "source": runSource}
	if role := roles[os.Getenv(roleVariable)]; role != nil {
		var c endConfig
		err := json.Unmarshal([]byte(os.Getenv(configVariable)), &c)
		if err == nil {
			err = role(c)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// endConfig is what an end is told.
type endConfig struct {
	Dir           string // of the collector's journal
	Box, Identity []byte // the site's private keys, for the collector
	Site          site.Site
	For           time.Duration // how long to make batches or to send
	Batch         int           // bytes of each
	Batches       int           // how many to make at most; 0 for no bound
	Control       string        // TCP's congestion control
	Listen        string
}

// end is a program that runs at one end.
type end struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner
}

func start(t *testing.T, w *wan.WAN, far bool, role string, c endConfig) *end {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e := &end{cmd: w.Command(t.Context(), far, exe)}
	e.cmd.Env = append(os.Environ(), roleVariable+"="+role, configVariable+"="+string(text))
	e.cmd.Stderr = os.Stderr
	if e.stdin, err = e.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	e.lines = bufio.NewScanner(out)
	e.lines.Buffer(nil, 1<<20)
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return e
}

// line waits for the next line that e prints.
func (e *end) line(t *testing.T) string {
	t.Helper()
	if !e.lines.Scan() {
		t.Fatalf("an end ended early: %v", e.cmd.Wait())
	}
	return e.lines.Text()
}

// stop tells e to end and waits for its last line.
func (e *end) stop(t *testing.T) (last string) {
	t.Helper()
	e.stdin.Close()
	for e.lines.Scan() {
		last = e.lines.Text()
	}
	if err := e.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return last
}

// untilTold waits for the end of standard input.
func untilTold() { io.Copy(io.Discard, os.Stdin) }

// runCollector is the real edge over the real journal. It says "ready", and its
// counters at the end.
func runCollector(c endConfig) error {
	log := slog.New(slog.DiscardHandler)
	j, _, err := journal.Open(c.Dir, journal.Options{})
	if err != nil {
		return err
	}
	udp, err := edge.ListenUDP(c.Listen, log)
	if err != nil {
		return err
	}
	box, boxKey := [32]byte(c.Box), [32]byte(c.Site.Box)
	var first, last atomic.Int64 // HELLOs: ms, and ms after the first
	e := edge.New(edge.Config{
		Box: &box, BoxKey: &boxKey, Identity: ed25519.NewKeyFromSeed(c.Identity), Journal: j, Log: log,
		Decide: func(enrol.Identity, enrol.Claims, netip.AddrPort) (enrol.Status, error) {
			if now := time.Now().UnixMilli(); !first.CompareAndSwap(0, now) {
				last.Store(now - first.Load())
			}
			return enrol.Approved, nil
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return e.Run(ctx) })
	g.Go(func() error { return udp.Run(ctx, e) })
	fmt.Println("ready")
	untilTold()
	cancel()
	err = g.Wait()
	if cerr := j.Close(); err == nil {
		err = cerr
	}
	e.Flush()
	udp.Close()
	counters := e.Counters()
	counters["last_hello_ms"] = uint64(last.Load()) // a session that was renewed on the way shows here
	json.NewEncoder(os.Stdout).Encode(counters)
	return err
}

// sent is what a sensor says at its end.
type sent struct {
	Batches   uint64 // made
	Dropped   uint64 // given up by the spool
	Seconds   float64
	InTime    uint64 // bytes of batches stored when For was over
	Datagrams string
}

// watched is a spool that says how full it is to another goroutine.
type watched struct {
	*spool.Spool
	bytes, stored atomic.Int64
}

func (w *watched) Put(f batch.Frame) {
	w.Spool.Put(f)
	w.bytes.Store(int64(w.Spool.Bytes()))
}

func (w *watched) Stored(set *ranges.Set) (batches, records int) {
	before := w.Spool.Bytes()
	batches, records = w.Spool.Stored(set)
	w.stored.Add(int64(before - w.Spool.Bytes()))
	w.bytes.Store(int64(w.Spool.Bytes()))
	return batches, records
}

// runSensor is the real uplink. It makes batches as fast as they go away, for
// c.For or c.Batches of them, and ends when all are stored.
func runSensor(c endConfig) error {
	_, identity, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	in, out := io.Pipe()
	w := &watched{Spool: spool.New(64 << 20)}
	var s sent
	start := time.Now()
	over := start.Add(c.For)
	making := make(chan struct{})
	go func() {
		defer close(making)
		defer out.Close()
		for time.Now().Before(over) && (c.Batches == 0 || s.Batches < uint64(c.Batches)) {
			if w.bytes.Load() > 4<<20 {
				time.Sleep(time.Millisecond)
				continue
			}
			if batch.WriteFrame(out, numbered(s.Batches, c.Batch)) != nil {
				break
			}
			s.Batches++
		}
		if left := time.Until(over); c.Batches == 0 && left > 0 {
			time.Sleep(left)
		}
		s.Seconds, s.InTime = time.Since(start).Seconds(), uint64(w.stored.Load())
	}()
	err = uplink.Run(context.Background(), uplink.Config{
		Site: c.Site, Identity: identity, Claims: enrol.Claims{"board": "test"}, In: []io.ReadCloser{in}, Spool: w,
		Log: slog.New(slog.DiscardHandler), Say: func(string) {},
	})
	<-making
	for _, class := range []batch.Class{batch.Health, batch.Records, batch.Bulk} {
		n, _ := w.Dropped(class)
		s.Dropped += n
	}
	json.NewEncoder(os.Stdout).Encode(s)
	return err
}

// numbered returns a batch that is known by its beginning: "batch N.".
func numbered(n uint64, size int) batch.Frame {
	raw := make([]byte, size)
	copy(raw, fmt.Sprintf("batch %d.", n))
	return batch.Frame{Class: batch.Records, Records: 1, Batch: batch.Append(nil, batch.None, len(raw), raw)}
}

// runSink takes one TCP connection and what comes by it.
func runSink(c endConfig) error {
	l, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, conn)
	return err
}

// runSource sends by TCP for c.For.
func runSource(c endConfig) error {
	d := net.Dialer{Timeout: 10 * time.Second, Control: func(_, _ string, raw syscall.RawConn) (err error) {
		if cerr := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, c.Control)
		}); cerr != nil {
			return cerr
		}
		return err
	}}
	conn, err := d.Dial("tcp", c.Listen)
	if err != nil {
		return err
	}
	conn.SetDeadline(time.Now().Add(c.For))
	buf := make([]byte, 1<<16)
	for {
		if _, err := conn.Write(buf); err != nil {
			return nil // the time is over
		}
	}
}
