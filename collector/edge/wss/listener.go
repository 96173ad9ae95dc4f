// Package wss carries the datagrams of sensors over WebSockets, for sites where
// nothing but port 443 gets out: one binary message is one datagram.
//
// TLS is 1.3, with a certificate of the site's authority. Before a connection
// becomes a WebSocket a sensor shows a token, signed with its identity and bound
// to this very connection; without a good one there is an answer of 401, and
// nothing else. docs/format/carriers.md says how a proxy in front can check the
// same.
package wss

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/taproot-sensor/taproot/collector/edge"
	"github.com/taproot-sensor/taproot/collector/edge/quota"
	"github.com/taproot-sensor/taproot/provisioning"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/outer"
	"github.com/taproot-sensor/taproot/wire/site"
)

const (
	// maxConns bounds the connections, TLS handshakes included, and maxEach
	// those of one sensor: one is in use, another may be taking its place.
	maxConns = 16384
	maxEach  = 4
	// requestTimeout is how long a handshake and a request may take.
	requestTimeout = 5 * time.Second
	// maxHeader bounds a request, in bytes.
	maxHeader = 8 << 10
	// idleTimeout is how long a silent connection is kept. Sensors say
	// something every 10 s.
	idleTimeout = 3 * time.Minute
	// maxAge is how long one is kept at all. Sensors make a new one every 24 h.
	maxAge = 25 * time.Hour
)

// connRates are the connections that one network, and all, may open. A TLS
// handshake takes about half a millisecond.
var connRates = [2]quota.Rate{{PerSecond: 50, Burst: 200}, {PerSecond: 500, Burst: 1000}}

// Config is what a listener needs.
type Config struct {
	Authority *provisioning.Authority
	Identity  site.Key // of the site, which tokens must be for
	// Hosts are the names of the collector, for programs that look at them.
	Hosts []string
	// Proxies are networks of proxies that end TLS and check the tokens: of
	// theirs, what binds a token to a connection is not looked at.
	Proxies []netip.Prefix
	// Status says what is decided about a sensor.
	Status func(enrol.Identity) enrol.Status
	Log    *slog.Logger
}

// Receiver takes datagrams; *edge.Edge does.
type Receiver interface {
	Receive(d []byte, from edge.Peer)
}

// Listener is a WebSocket port.
type Listener struct {
	cfg      Config
	port     net.Listener
	tokens   *checker
	server   http.Server
	counters counters
	receiver Receiver

	guests  quota.Guests
	serving sync.WaitGroup

	mu    sync.Mutex
	shut  bool
	conns map[enrol.Identity][]*conn // the oldest first
}

// Listen opens the TCP socket of addr, host:port.
func Listen(addr string, cfg Config) (*Listener, error) {
	l, err := listen(addr, cfg)
	if err != nil {
		return nil, fmt.Errorf("listening for sensors by WebSocket: %w", err)
	}
	return l, nil
}

func listen(addr string, cfg Config) (*Listener, error) {
	certificate, err := cfg.Authority.Server(cfg.Hosts)
	if err != nil {
		return nil, err
	}
	port, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	l := &Listener{cfg: cfg, tokens: newChecker(outer.Audience(cfg.Identity), time.Now), conns: map[enrol.Identity][]*conn{}}
	l.port = &bounded{Listener: port, counters: &l.counters, quota: quota.NewBuckets(connRates[0], connRates[1])}
	l.server = http.Server{
		Handler: http.HandlerFunc(l.serve),
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13,
			NextProtos: []string{"http/1.1"}, SessionTicketsDisabled: true,
		},
		ReadTimeout: requestTimeout, WriteTimeout: requestTimeout, IdleTimeout: requestTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: log.New(io.Discard, "", 0), // what strangers do is counted
	}
	return l, nil
}

// Addr is where it listens.
func (l *Listener) Addr() netip.AddrPort { return l.port.Addr().(*net.TCPAddr).AddrPort() }

// Run gives r what comes in until ctx ends, then returns nil. ACKs can be sent
// until Close.
func (l *Listener) Run(ctx context.Context, r Receiver) error {
	l.receiver = r
	stop := context.AfterFunc(ctx, func() { l.port.Close() })
	defer stop()
	if err := l.server.ServeTLS(l.port, "", ""); ctx.Err() == nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving WebSockets: %w", err)
	}
	return nil
}

// serve answers a request.
func (l *Listener) serve(w http.ResponseWriter, r *http.Request) {
	l.counters.add(requests)
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		http.Error(w, "no address", http.StatusInternalServerError)
		return
	}
	if r.URL.Path != site.DefaultPath || r.Method != http.MethodGet {
		l.refuse(w, dropRequest, http.StatusNotFound, "not found")
		return
	}
	exporter, err := l.exporter(r, from)
	if err != nil {
		l.refuse(w, dropRequest, http.StatusInternalServerError, "no exporter")
		return
	}
	id, err := l.tokens.check(r, exporter)
	if err != nil {
		l.cfg.Log.Debug("WebSocket refused", "from", from, "error", err)
		w.Header().Set("WWW-Authenticate", "Bearer")
		l.refuse(w, dropToken, http.StatusUnauthorized, "token refused")
		return
	}
	guest := false
	switch l.cfg.Status(id) {
	case enrol.Approved:
	case enrol.Refused:
		l.refuse(w, dropRevoked, http.StatusForbidden, "sensor was revoked")
		return
	default:
		if guest = l.guests.Enter(from.Addr()); !guest {
			l.refuse(w, dropFull, http.StatusServiceUnavailable, "too many sensors wait for approval")
			return
		}
	}
	c := newConn(l, id, from, guest)
	defer c.end()
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Subprotocols: []string{outer.Subprotocol}, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		l.counters.add(dropRequest)
		return
	}
	c.ws = ws
	l.run(c)
}

// refuse answers a request that opens nothing, and ends the connection, which
// has a place that others want.
func (l *Listener) refuse(w http.ResponseWriter, why counter, code int, text string) {
	l.counters.add(why)
	w.Header().Set("Connection", "close")
	http.Error(w, text, code)
}

// exporter returns what a token of the request must be bound to.
func (l *Listener) exporter(r *http.Request, from netip.AddrPort) ([]byte, error) {
	for _, proxy := range l.cfg.Proxies {
		if proxy.Contains(from.Addr().Unmap()) {
			return nil, nil
		}
	}
	return r.TLS.ExportKeyingMaterial(outer.ExporterLabel, nil, outer.ExporterSize)
}

// run reads a connection to its end.
func (l *Listener) run(c *conn) {
	l.mu.Lock()
	if l.shut {
		l.mu.Unlock()
		c.ws.CloseNow()
		return
	}
	mine := append(l.conns[c.identity], c)
	for _, old := range mine[:max(0, len(mine)-maxEach)] {
		old.cancel()
	}
	l.conns[c.identity] = mine
	l.serving.Add(1)
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		l.forgetLocked(c)
		l.mu.Unlock()
		l.serving.Done()
	}()
	c.run()
}

func (l *Listener) forgetLocked(c *conn) {
	mine := slices.DeleteFunc(l.conns[c.identity], func(other *conn) bool { return other == c })
	if l.conns[c.identity] = mine; len(mine) == 0 {
		delete(l.conns, c.identity)
	}
}

// Revoke ends the connections of a sensor.
func (l *Listener) Revoke(id enrol.Identity) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns[id] {
		c.cancel()
	}
}

// Close ends every connection.
func (l *Listener) Close() error {
	l.mu.Lock()
	l.shut = true
	for _, all := range l.conns {
		for _, c := range all {
			c.cancel()
		}
	}
	l.mu.Unlock()
	l.serving.Wait()
	return l.server.Close()
}

// bounded is a listener with a bound on the connections that are open, and on
// how fast a network may open them.
type bounded struct {
	net.Listener
	counters *counters
	quota    *quota.Buckets
	open     gauge
}

// Accept returns the next connection that is within the bounds.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		conn, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		b.counters.add(connections)
		from, ok := conn.RemoteAddr().(*net.TCPAddr)
		switch {
		case !ok || !b.quota.Take(from.AddrPort().Addr(), time.Now()):
			b.counters.add(dropQuota)
			conn.Close()
		case !b.open.up(maxConns):
			b.counters.add(dropFull)
			conn.Close()
		default:
			return &countedConn{Conn: conn, open: &b.open}, nil
		}
	}
}

// countedConn takes itself from the connections that are open.
type countedConn struct {
	net.Conn
	open *gauge
	once sync.Once
}

func (c *countedConn) Close() error {
	c.once.Do(c.open.down)
	return c.Conn.Close()
}
