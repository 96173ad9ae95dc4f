package carrier

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/elliptic"
	"github.com/pion/logging"

	"github.com/taproot-sensor/taproot/wire/outer"
	"github.com/taproot-sensor/taproot/wire/site"
)

const (
	// replayWindow is how many records below the newest are told apart.
	replayWindow = 1024
	recordMTU    = 1200 // of the flights of a handshake
	// flightEvery is after how long a flight that is not answered is sent
	// again; then twice as long.
	flightEvery = 500 * time.Millisecond
	// knocks is how often a sensor knocks, and knockEvery how long it waits for
	// an answer.
	knocks     = 4
	knockEvery = 400 * time.Millisecond
	// lateHandshake is for how long after a handshake its messages, which are
	// not sealed, may still come again since an answer was lost.
	lateHandshake = 10 * time.Second
)

// silent is for who logs what strangers send.
var silent = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled, ScopeLevels: map[string]logging.LogLevel{}}

func dialDTLS(ctx context.Context, a site.Address, o Options) (net.Conn, error) {
	socket, err := o.udp(ctx, a.HostPort())
	if err != nil {
		return nil, err
	}
	knock(ctx, socket)
	s := &sieve{Conn: socket}
	conn, err := dtls.ClientWithOptions(s, socket.RemoteAddr(), clientOptions(o)...)
	if err != nil {
		socket.Close()
		return nil, err
	}
	if err := conn.HandshakeContext(ctx); err != nil {
		conn.Close()
		socket.Close()
		return nil, err
	}
	s.done.Store(time.Now().UnixNano())
	return &dtlsConn{Conn: conn, credentials: o.Credentials}, nil
}

// knock shows the collector that this machine receives where it says, so that
// it makes room for the handshake even when many strangers want some. Without an
// answer the handshake is for itself to try.
func knock(ctx context.Context, socket net.Conn) {
	buf := make([]byte, 256)
	defer socket.SetReadDeadline(time.Time{})
	for range knocks {
		if _, err := socket.Write(outer.AppendKnock(nil, outer.KnockCookie{})); err != nil || ctx.Err() != nil {
			return
		}
		socket.SetReadDeadline(time.Now().Add(knockEvery))
		for {
			n, err := socket.Read(buf)
			if err != nil {
				break
			}
			if cookie, ok := outer.ParseKnockAnswer(buf[:n]); ok {
				socket.Write(outer.AppendKnock(nil, cookie)) // if it is lost, we are a stranger
				return
			}
		}
	}
}

func clientOptions(o Options) []dtls.ClientOption {
	c := o.Credentials
	options := []dtls.ClientOption{
		dtls.WithEllipticCurves(elliptic.X25519, elliptic.P256),
		dtls.WithSignatureSchemes(tls.ECDSAWithP256AndSHA256),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		dtls.WithReplayProtectionWindow(replayWindow),
		dtls.WithMTU(recordMTU),
		dtls.WithFlightInterval(flightEvery),
		dtls.WithConnectionIDGenerator(dtls.OnlySendCIDGenerator()),
		dtls.WithLoggerFactory(silent),
	}
	if c.PSK != nil {
		return append(options,
			dtls.WithCipherSuites(dtls.TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256),
			dtls.WithPSK(func([]byte) ([]byte, error) { return c.PSK, nil }),
			dtls.WithPSKIdentityHint([]byte(c.Device)),
		)
	}
	return append(options,
		dtls.WithCipherSuites(dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, dtls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
		dtls.WithGetClientCertificate(func(*dtls.CertificateRequestInfo) (*tls.Certificate, error) {
			certificate := c.show()
			return &certificate, nil
		}),
		// The library looks at dates and names, which mean nothing here;
		// VerifyServer looks at the rest.
		dtls.WithInsecureSkipVerify(true),
		dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error {
			return outer.VerifyServer(raw, o.Site.CA)
		}),
	)
}

// sieve is the socket below DTLS. Once the handshake is done it drops what
// anybody can forge.
type sieve struct {
	net.Conn
	done atomic.Int64 // when the handshake was done, Unix ns; 0 before
}

// ReadFrom reads a datagram.
func (s *sieve) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, err := s.Conn.Read(b)
		if err != nil || s.passes(b[:n]) {
			return n, s.RemoteAddr(), err
		}
	}
}

func (s *sieve) passes(d []byte) bool {
	switch done := s.done.Load(); {
	case done == 0:
		return true
	case time.Now().UnixNano()-done < int64(lateHandshake):
		return outer.Handshaking(d, false)
	}
	return outer.Sealed(d, false)
}

// WriteTo sends a datagram.
func (s *sieve) WriteTo(b []byte, _ net.Addr) (int, error) { return s.Conn.Write(b) }

// dtlsConn takes the certificates out of what comes.
type dtlsConn struct {
	*dtls.Conn
	credentials *Credentials
	closed      atomic.Bool
}

// Close ends the connection.
func (c *dtlsConn) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

// Read reads a datagram of the session. Its errors are final: net.ErrClosed
// after Close, else io.EOF.
func (c *dtlsConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		switch {
		case c.closed.Load():
			return 0, net.ErrClosed
		case errors.Is(err, io.EOF), errors.Is(err, dtls.ErrConnClosed), errors.Is(err, net.ErrClosed):
			return 0, io.EOF
		case err != nil: // of one datagram, such as an ICMP message
			time.Sleep(10 * time.Millisecond)
			continue
		}
		der, ok, err := outer.ParseIssue(b[:n])
		if !ok {
			return n, nil
		}
		if err == nil {
			c.credentials.take(append([]byte(nil), der...)) // one that is not ours changes nothing
		}
	}
}
