package collector

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"
)

// Bounds of what strangers may take of the port for updates.
const (
	updateTimeout  = 2 * time.Minute // for one request
	maxUpdateConns = 512
)

// listenUpdates opens the port that serves releases, beside that for sensors.
func (c *collector) listenUpdates(addr string) (net.Listener, error) {
	cert, err := identityCertificate(c.keys.IdentityKey())
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listening for updates: %w", err)
	}
	return tls.NewListener(limit(l, maxUpdateConns), &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}}), nil
}

// identityCertificate returns a certificate that is as good as the key in it:
// sensors know the site's identity and look at nothing else.
func identityCertificate(identity ed25519.PrivateKey) (tls.Certificate, error) {
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "taproot collector"},
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, identity.Public(), identity)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: identity}, nil
}

// serveUpdates serves releases on l until ctx ends.
func (c *collector) serveUpdates(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler: c.releases.Handler(), ReadHeaderTimeout: 10 * time.Second, ReadTimeout: updateTimeout, WriteTimeout: updateTimeout,
		IdleTimeout: updateTimeout, MaxHeaderBytes: 8 << 10,
		ErrorLog: slog.NewLogLogger(c.Log.Handler(), slog.LevelDebug), // of strangers' handshakes
	}
	defer context.AfterFunc(ctx, func() { srv.Close() })()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving updates: %w", err)
	}
	return nil
}

// limit bounds how many connections of l are open at once.
func limit(l net.Listener, n int) net.Listener { return &limited{l, make(chan struct{}, n)} }

type limited struct {
	net.Listener
	open chan struct{}
}

// Accept waits for a connection, and before that for room for it.
func (l *limited) Accept() (net.Conn, error) {
	l.open <- struct{}{}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.open
		return nil, err
	}
	return &counted{Conn: conn, open: l.open}, nil
}

type counted struct {
	net.Conn
	open   chan struct{}
	closed sync.Once
}

// Close makes room for another connection.
func (c *counted) Close() error {
	c.closed.Do(func() { <-c.open })
	return c.Conn.Close()
}
