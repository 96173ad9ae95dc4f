package hwtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/collector/edge/dtls"
	"github.com/taproot-sensor/taproot/collector/edge/wss"
	"github.com/taproot-sensor/taproot/provisioning"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/site"
)

// testPorts are a collector's ports beside UDP.
type testPorts struct {
	dtls *dtls.Listener
	wss  *wss.Listener
	site site.Site // with all three addresses
}

// startPorts opens the ports of a collector.
func startPorts(t *testing.T, s testSite, c *testCollector, decide func(enrol.Identity) enrol.Status) *testPorts {
	t.Helper()
	authority, err := provisioning.OpenAuthority(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	p := &testPorts{site: s.public(c.addr)}
	p.site.CA = authority.KeyID()
	log := slog.New(slog.DiscardHandler)
	if p.dtls, err = dtls.Listen("127.0.0.1:0", dtls.Config{Authority: authority, Status: decide, Log: log}); err != nil {
		t.Fatal(err)
	}
	if p.wss, err = wss.Listen("127.0.0.1:0", wss.Config{Authority: authority, Identity: p.site.Identity, Status: decide, Log: log}); err != nil {
		t.Fatal(err)
	}
	p.site.Collectors = append(p.site.Collectors, "dtls://"+p.dtls.Addr().String(), "wss://"+p.wss.Addr().String())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- p.dtls.Run(ctx, c.edge) }()
	go func() { done <- p.wss.Run(ctx, c.edge) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		p.dtls.Close()
		p.wss.Close()
	})
	return p
}

// only returns the site with one of its addresses.
func (p *testPorts) only(i int) site.Site {
	s := p.site
	s.Collectors = s.Collectors[i : i+1]
	return s
}

// Every carrier delivers, and the sensor says which one does.
func TestCarriersDeliver(t *testing.T) {
	for i, name := range []string{"UDP", "DTLS", "WSS"} {
		t.Run(name, func(t *testing.T) {
			s, dir := newTestSite(t), t.TempDir()
			c := startCollector(t, s, dir, "127.0.0.1:0", approve)
			p := startPorts(t, s, c, approve)
			u := startUplink(t, p.only(i))
			u.send(t, 0, 200, 20_000)
			u.finish(t)
			c.stop()
			checkStored(t, dir, 200)
			if !u.hasSaid("sending by " + name + " to ") {
				t.Errorf("uplink said %q", u.said)
			}
			t.Logf("DTLS counted %v, WSS %v", p.dtls.Counters(), p.wss.Counters())
		})
	}
}

// A sensor that comes by DTLS before anybody has approved it says HELLO, waits,
// delivers once it is approved, and is given a certificate.
func TestApprovalByDTLS(t *testing.T) {
	s, dir := newTestSite(t), t.TempDir()
	var approved atomic.Bool
	decide := func(enrol.Identity) enrol.Status {
		if approved.Load() {
			return enrol.Approved
		}
		return enrol.Pending
	}
	c := startCollector(t, s, dir, "127.0.0.1:0", decide)
	p := startPorts(t, s, c, decide)
	u := startUplink(t, p.only(1))
	u.send(t, 0, 10, 5000)
	eventually(t, "sensor is told to wait", func() bool { return u.hasSaid("waiting for approval") })
	if n := p.dtls.Counters()["guests"]; n != 1 {
		t.Errorf("%d guests, want 1", n)
	}
	approved.Store(true)
	u.finish(t)
	if n := p.dtls.Counters()["certificates"]; n != 1 {
		t.Errorf("%d certificates made, want 1", n)
	}
	c.stop()
	checkStored(t, dir, 10)
}

// A DTLS port that restarts knows no connections, and cannot say so; the sensor
// makes a new one.
func TestDTLSSurvivesRestart(t *testing.T) {
	s, dir := newTestSite(t), t.TempDir()
	c := startCollector(t, s, dir, "127.0.0.1:0", approve)
	before, after := startPorts(t, s, c, approve), startPorts(t, s, c, approve)
	var port atomic.Pointer[dtls.Listener]
	port.Store(before.dtls)
	// The same address is first the one, then the other: nothing of a
	// connection is known after.
	front := dtlsRoad(t, &port)
	site := before.only(1)
	site.Collectors[0] = "dtls://" + front
	u := startUplink(t, site)
	u.send(t, 0, 20, 20_000)
	eventually(t, "a batch is acknowledged", func() bool { return u.hasSaid("first batch acknowledged") })
	port.Store(after.dtls)
	u.send(t, 20, 20, 20_000)
	u.finish(t)
	c.stop()
	checkStored(t, dir, 40)
	if n := after.dtls.Counters()["handshakes_done"]; n == 0 {
		t.Error("no handshake after the restart")
	}
}

// dtlsRoad forwards datagrams between one sensor and the listener that port has.
func dtlsRoad(t *testing.T, port *atomic.Pointer[dtls.Listener]) string {
	t.Helper()
	front, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	back, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { front.Close(); back.Close() })
	var sensor atomic.Pointer[net.UDPAddr]
	forward := func(from *net.UDPConn, each func(d []byte, from *net.UDPAddr)) {
		buf := make([]byte, 4096)
		for {
			n, addr, err := from.ReadFromUDP(buf)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				each(buf[:n], addr)
			}
		}
	}
	go forward(front, func(d []byte, from *net.UDPAddr) {
		sensor.Store(from)
		back.WriteToUDPAddrPort(d, port.Load().Addr())
	})
	go forward(back, func(d []byte, from *net.UDPAddr) {
		if to := sensor.Load(); to != nil && from.AddrPort() == port.Load().Addr() {
			front.WriteToUDP(d, to)
		}
	})
	return front.LocalAddr().String()
}

// A sensor behind an HTTP proxy reaches its collector through it: tinyproxy, as
// Debian has it.
func TestProxy(t *testing.T) {
	path, err := exec.LookPath("tinyproxy")
	if err != nil {
		t.Skip("no tinyproxy: scripts/install-deps test")
	}
	s, dir := newTestSite(t), t.TempDir()
	c := startCollector(t, s, dir, "127.0.0.1:0", approve)
	p := startPorts(t, s, c, approve)

	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := free.Addr().(*net.TCPAddr)
	free.Close()
	logFile, config := filepath.Join(t.TempDir(), "log"), filepath.Join(t.TempDir(), "tinyproxy.conf")
	text := fmt.Sprintf("Port %d\nListen 127.0.0.1\nTimeout 60\nMaxClients 10\nLogFile %q\nLogLevel Connect\nAllow 127.0.0.1\nConnectPort %d\n", addr.Port, logFile, p.wss.Addr().Port())
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	proxy := exec.Command(path, "-d", "-c", config)
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Process.Kill(); proxy.Wait() })
	eventually(t, "the proxy listens", func() bool {
		conn, err := net.DialTimeout("tcp", addr.String(), time.Second)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})

	site := p.only(2)
	site.Proxy = "http://" + addr.String()
	u := startUplink(t, site)
	u.send(t, 0, 100, 20_000)
	u.finish(t)
	c.stop()
	checkStored(t, dir, 100)
	said, err := os.ReadFile(logFile)
	if err != nil || !strings.Contains(string(said), "CONNECT "+p.wss.Addr().String()) {
		t.Errorf("the proxy has not seen it: %v\n%s", err, said)
	}
}
