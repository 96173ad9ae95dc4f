package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/crypto/nacl/box"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/collector/edge"
	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/collector/unpack"
	"github.com/taproot-sensor/taproot/firmware/spool"
	"github.com/taproot-sensor/taproot/firmware/uplink"
	"github.com/taproot-sensor/taproot/internal/ranges"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/record"
	"github.com/taproot-sensor/taproot/wire/site"
)

// rowsPerBatch is what a sensor of a busy site puts into a batch.
const rowsPerBatch = 1000

// memory is a journal that unpacks batches, and forgets them.
type memory struct {
	mu       sync.Mutex
	unpacker *unpack.Unpacker
	taken    int64
}

func (m *memory) Append(e journal.Entry, done func(error)) {
	m.mu.Lock()
	blocks, err := m.unpacker.Blocks(e.Body)
	for i := range blocks {
		if blocks[i].Kind == record.FlowDef.Kind {
			m.taken += int64(blocks[i].Rows)
		}
	}
	m.mu.Unlock()
	done(err)
}

func (*memory) Stored([32]byte, [16]byte) ranges.Set { return ranges.Set{} }
func (*memory) Pressure() float64                    { return 0 }

// ours carries the records of a file from a real uplink to a real edge.
func ours(ctx context.Context, path string, stdout io.Writer) error {
	flows, err := loadFlows(path)
	if err != nil {
		return err
	}
	public, private, err := box.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	_, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	udp, err := edge.ListenUDP("127.0.0.1:0", log)
	if err != nil {
		return err
	}
	defer udp.Close()
	m := &memory{unpacker: unpack.New()}
	e := edge.New(edge.Config{Box: private, BoxKey: public, Identity: identity, Journal: m, Log: log,
		Decide: func(enrol.Identity, enrol.Claims, netip.AddrPort) (enrol.Status, error) { return enrol.Approved, nil }})
	serving, stop := context.WithCancel(ctx)
	g, serving := errgroup.WithContext(serving)
	g.Go(func() error { return e.Run(serving) })
	g.Go(func() error { return udp.Run(serving, e) })
	bytes, cpu, began := onDevice(), used(), time.Now()
	s := site.Site{Name: "bench", Collectors: []string{udp.Addr().String()}, Box: site.Key(*public), Identity: site.Key(identity.Public().(ed25519.PublicKey)), Next: site.Key{1}}
	err = sendAll(ctx, s, flows, log)
	o := outcome{Sent: int64(len(flows)), Wall: int64(time.Since(began)), CPU: int64(used() - cpu), Bytes: onDevice() - bytes}
	stop()
	if gerr := g.Wait(); err == nil {
		err = gerr
	}
	if o.Taken = m.taken; err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(o)
}

// sendAll makes batches of flows, as a meter does, and sends them until all are
// acknowledged.
func sendAll(ctx context.Context, s site.Site, flows []record.Flow, log *slog.Logger) error {
	_, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false))
	if err != nil {
		return err
	}
	in, pipe := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- uplink.Run(ctx, uplink.Config{Site: s, Identity: identity, In: []io.ReadCloser{in}, Spool: spool.New(256 << 20), Log: log, Say: func(string) {}})
	}()
	b := record.NewBuilder(record.FlowDef)
	for len(flows) > 0 {
		n := min(rowsPerBatch, len(flows))
		for i := range flows[:n] {
			record.Append(b, &flows[i])
		}
		flows = flows[n:]
		raw := b.AppendBlock(nil)
		b.Reset()
		whole := batch.Append(nil, batch.Zstd, len(raw), enc.EncodeAll(raw, nil))
		if err := batch.WriteFrame(pipe, batch.Frame{Class: batch.Records, Records: n, Batch: whole}); err != nil {
			return err
		}
	}
	pipe.Close()
	return <-done
}

// loadFlows reads JSON lines as taproot tail prints them: the name of a key is
// that of its column.
func loadFlows(path string) (flows []record.Flow, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var values map[string]json.RawMessage
		if err := json.Unmarshal(lines.Bytes(), &values); err != nil {
			return nil, err
		}
		var one record.Flow
		v := reflect.ValueOf(&one).Elem()
		for i := range v.NumField() {
			raw, ok := values[v.Type().Field(i).Tag.Get("col")]
			if !ok {
				continue
			}
			if err := set(v.Field(i).Addr().Interface(), raw); err != nil {
				return nil, fmt.Errorf("field %s: %w", v.Type().Field(i).Name, err)
			}
		}
		one.Community = "" // it is made where the record is read
		flows = append(flows, one)
	}
	return flows, nil
}

// set sets a field from its JSON.
func set(field any, raw json.RawMessage) error {
	switch field := field.(type) {
	case *record.Nanos:
		var t time.Time
		err := json.Unmarshal(raw, &t)
		*field = record.NanosOf(t)
		return err
	case *record.HardwareAddr:
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return err
		}
		mac, err := net.ParseMAC(text)
		copy(field[:], mac)
		return err
	}
	return json.Unmarshal(raw, field)
}

// onDevice returns how many bytes the loopback device has sent (proc_net(5)).
func onDevice() (n int64) {
	text, _ := os.ReadFile("/proc/net/dev") // where there is none, the bytes are 0, which shows
	for line := range strings.Lines(string(text)) {
		if name, rest, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "lo" {
			fmt.Sscan(rest, &n)
		}
	}
	return n
}

func used() time.Duration {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u) // of this process it never fails
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
