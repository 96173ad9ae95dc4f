package hwtest

import (
	"net"
	"sync"
	"testing"
	"time"
)

// nat forwards between one sensor and a collector, and gives the sensor another
// port each time rebind is called.
type nat struct {
	front *net.UDPConn
	to    string

	mu     sync.Mutex
	back   net.Conn
	sensor net.Addr
}

func startNAT(t *testing.T, to string) *nat {
	t.Helper()
	front, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	n := &nat{front: front, to: to}
	n.rebind(t)
	t.Cleanup(func() {
		front.Close()
		n.back.Close()
	})
	go func() {
		buf := make([]byte, 2000)
		for {
			k, from, err := front.ReadFrom(buf)
			if err != nil {
				return
			}
			n.mu.Lock()
			n.sensor = from
			n.back.Write(buf[:k])
			n.mu.Unlock()
		}
	}()
	return n
}

// rebind has what comes from now on come from a new port; the old one is deaf.
func (n *nat) rebind(t *testing.T) {
	t.Helper()
	back, err := net.Dial("udp", n.to)
	if err != nil {
		t.Fatal(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.back != nil {
		n.back.Close()
	}
	n.back = back
	go func() {
		buf := make([]byte, 2000)
		for {
			k, err := back.Read(buf)
			if err != nil {
				return
			}
			n.mu.Lock()
			to := n.sensor
			n.mu.Unlock()
			n.front.WriteTo(buf[:k], to)
		}
	}()
}

// A NAT that gives the sensor another port again and again costs no session.
func TestNATRebinding(t *testing.T) {
	s, dir := newTestSite(t), t.TempDir()
	c := startCollector(t, s, dir, "127.0.0.1:0", approve)
	n := startNAT(t, c.addr)
	u := startUplink(t, s.public(n.front.LocalAddr().String()))
	for i := range 20 {
		u.send(t, i*5, 5, 20_000)
		eventually(t, "batches are stored", func() bool { return c.edge.Counters()["batches_stored"] >= uint64(i*5+1) })
		n.rebind(t)
		time.Sleep(5 * time.Millisecond)
	}
	u.finish(t)
	if got := c.edge.Counters()["welcomes"]; got != 1 {
		t.Errorf("%d sessions were made, want 1", got)
	}
	c.stop()
	checkStored(t, dir, 100)
}
