package hwtest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"log/slog"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/collector/edge"
	"github.com/taproot-sensor/taproot/collector/edge/dtls"
	"github.com/taproot-sensor/taproot/collector/edge/wss"
	"github.com/taproot-sensor/taproot/firmware/uplink/carrier"
	"github.com/taproot-sensor/taproot/provisioning"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/session"
	"github.com/taproot-sensor/taproot/wire/site"
)

// counted takes datagrams, and counts them.
type counted struct{ n atomic.Int64 }

func (c *counted) Receive([]byte, edge.Peer) { c.n.Add(1) }

// BenchmarkCarriers is a DATA of 1200 bytes from a sensor's Write to the edge's
// Receive, over loopback: the processor time of both ends, without the seal.
func BenchmarkCarriers(b *testing.B) {
	_, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	credentials, err := carrier.NewCredentials(identity)
	if err != nil {
		b.Fatal(err)
	}
	authority, err := provisioning.OpenAuthority(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	approve := func(enrol.Identity) enrol.Status { return enrol.Approved }
	d, err := dtls.Listen("127.0.0.1:0", dtls.Config{Authority: authority, Status: approve, Log: log})
	if err != nil {
		b.Fatal(err)
	}
	w, err := wss.Listen("127.0.0.1:0", wss.Config{Authority: authority, Status: approve, Log: log})
	if err != nil {
		b.Fatal(err)
	}
	var c counted
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- d.Run(ctx, &c) }()
	go func() { done <- w.Run(ctx, &c) }()
	defer func() {
		cancel()
		<-done
		<-done
		d.Close()
		w.Close()
	}()
	for _, a := range []site.Address{
		{Carrier: site.DTLS, Host: "127.0.0.1", Port: port(d.Addr().String())},
		{Carrier: site.WSS, Host: "127.0.0.1", Port: port(w.Addr().String()), Path: site.DefaultPath},
	} {
		b.Run(string(a.Carrier), func(b *testing.B) {
			conn, err := carrier.Dial(ctx, a, carrier.Options{Site: site.Site{CA: authority.KeyID()}, Credentials: credentials})
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			head := session.Head(session.TypeData, 1)
			send(b, conn, append(head[:], make([]byte, session.MaxDatagram-8)...), &c.n)
		})
	}
}

func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}

// send keeps at most underWay datagrams under way, so that few are lost.
func send(b *testing.B, conn net.Conn, d []byte, came *atomic.Int64) {
	const underWay = 64
	came.Store(0)
	sent, before := int64(0), cpu()
	b.SetBytes(int64(len(d)))
	for b.Loop() {
		for wait := 0; sent-came.Load() >= underWay; wait++ {
			if time.Sleep(20 * time.Microsecond); wait > 500 {
				sent = came.Load() // lost
			}
		}
		conn.Write(d)
		sent++
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
	b.ReportMetric(100*float64(came.Load())/float64(b.N), "%came")
}

// cpu returns the processor time that the process has used.
func cpu() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
