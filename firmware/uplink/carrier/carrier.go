// Package carrier dials collectors: by UDP, or by DTLS or WebSocket where that
// does not get through, directly or through the site's HTTP proxy.
//
// Whatever the carrier, one Write is one datagram and one Read is one datagram,
// of at most session.MaxDatagram bytes, and a datagram may be lost. Carriers
// keep strangers out; who the collector is, and what it may read, the session
// inside decides. docs/format/carriers.md has the bytes.
package carrier

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/taproot-sensor/taproot/wire/site"
)

const (
	// dialTimeout bounds a dial, name resolution and handshakes included.
	dialTimeout = 10 * time.Second
	// renewEvery is how often a connection is replaced by one with new keys.
	renewEvery = 24 * time.Hour
	// renewAgain is when that is tried again if it failed.
	renewAgain = 10 * time.Minute
)

// Options are what a sensor dials with.
type Options struct {
	Site        site.Site
	Credentials *Credentials
	// UDP opens a socket to host:port, for UDP and DTLS; nil for an ordinary one.
	UDP func(ctx context.Context, hostPort string) (net.Conn, error)
}

func (o *Options) udp(ctx context.Context, hostPort string) (net.Conn, error) {
	if o.UDP != nil {
		return o.UDP(ctx, hostPort)
	}
	var d net.Dialer
	return d.DialContext(ctx, "udp", hostPort)
}

// Dial connects to the collector at a. It blocks, at most for dialTimeout.
func Dial(ctx context.Context, a site.Address, o Options) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := dial(ctx, a, o)
	if err != nil {
		return nil, fmt.Errorf("dialling %s: %w", a, err)
	}
	return conn, nil
}

func dial(ctx context.Context, a site.Address, o Options) (net.Conn, error) {
	switch a.Carrier {
	case site.DTLS:
		return renewing(ctx, func(ctx context.Context) (net.Conn, error) { return dialDTLS(ctx, a, o) })
	case site.WSS:
		return renewing(ctx, func(ctx context.Context) (net.Conn, error) { return dialWSS(ctx, a, o) })
	}
	return o.udp(ctx, a.HostPort())
}

// renewed is a connection that is replaced by another from time to time.
type renewed struct {
	dial  func(context.Context) (net.Conn, error)
	timer *time.Timer

	current atomic.Pointer[net.Conn]

	mu     sync.Mutex // held while current is replaced or closed
	closed bool
}

func renewing(ctx context.Context, dial func(context.Context) (net.Conn, error)) (net.Conn, error) {
	conn, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	r := &renewed{dial: dial}
	r.current.Store(&conn)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timer = time.AfterFunc(renewEvery, r.renew)
	return r, nil
}

func (r *renewed) renew() {
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	conn, err := r.dial(ctx)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err != nil:
		r.timer.Reset(renewAgain)
	case r.closed:
		conn.Close()
	default:
		old := *r.current.Swap(&conn)
		old.Close() // wakes the reader; what was under way is sent again
		r.timer.Reset(renewEvery)
	}
}

func (r *renewed) conn() net.Conn { return *r.current.Load() }

// Read reads a datagram. One that waits while the connection is replaced goes on
// with the new one.
func (r *renewed) Read(b []byte) (int, error) {
	for {
		conn := r.conn()
		n, err := conn.Read(b)
		if err == nil || conn == r.conn() {
			return n, err
		}
	}
}

func (r *renewed) Write(b []byte) (int, error) { return r.conn().Write(b) }

func (r *renewed) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.timer.Stop()
	return r.conn().Close()
}

func (r *renewed) LocalAddr() net.Addr                { return r.conn().LocalAddr() }
func (r *renewed) RemoteAddr() net.Addr               { return r.conn().RemoteAddr() }
func (r *renewed) SetDeadline(t time.Time) error      { return r.conn().SetDeadline(t) }
func (r *renewed) SetReadDeadline(t time.Time) error  { return r.conn().SetReadDeadline(t) }
func (r *renewed) SetWriteDeadline(t time.Time) error { return r.conn().SetWriteDeadline(t) }
