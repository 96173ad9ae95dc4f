package carrier

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"

	"github.com/taproot-sensor/taproot/wire/outer"
	"github.com/taproot-sensor/taproot/wire/session"
	"github.com/taproot-sensor/taproot/wire/site"
)

const (
	// maxQueue bounds the datagrams that wait for a WebSocket, in number: what
	// does not fit is lost, which slows the session down.
	maxQueue = 256
	// writeTimeout is how long a message may take before the connection is
	// given up.
	writeTimeout = 10 * time.Second
)

func dialWSS(ctx context.Context, a site.Address, o Options) (net.Conn, error) {
	ws, refused, err := upgrade(ctx, a, o)
	if refused != nil && refused.StatusCode == http.StatusUnauthorized {
		// A sensor that has just booted may not know what time it is, and
		// tokens are for a minute. The answer says.
		if now, dateErr := http.ParseTime(refused.Header.Get("Date")); dateErr == nil {
			o.Credentials.setClock(now)
			ws, _, err = upgrade(ctx, a, o)
		}
	}
	if err != nil {
		return nil, err
	}
	return newWSConn(ws, a), nil
}

// upgrade connects and asks for a WebSocket. Where the collector has refused,
// its answer is returned too.
func upgrade(ctx context.Context, a site.Address, o Options) (*websocket.Conn, *http.Response, error) {
	raw, err := dialTCP(ctx, a.HostPort(), o.Site.Proxy)
	if err != nil {
		return nil, nil, err
	}
	conn := tls.Client(raw, &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: a.Host, NextProtos: []string{"http/1.1"},
		// The library looks at dates and names, which mean nothing here;
		// VerifyServer looks at the rest.
		InsecureSkipVerify:     true,
		VerifyPeerCertificate:  func(raw [][]byte, _ [][]*x509.Certificate) error { return outer.VerifyServer(raw, o.Site.CA) },
		SessionTicketsDisabled: true,
	})
	if err := conn.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, nil, err
	}
	token, err := o.Credentials.token(conn, outer.Audience(o.Site.Identity))
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	var once sync.Once
	transport := &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
		err := errors.New("the connection was used already")
		once.Do(func() { err = nil })
		return conn, err
	}}
	ws, response, err := websocket.Dial(ctx, "wss://"+a.HostPort()+a.Path, &websocket.DialOptions{
		HTTPClient: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		HTTPHeader:      http.Header{"Authorization": {"Bearer " + token}},
		Subprotocols:    []string{outer.Subprotocol},
		CompressionMode: websocket.CompressionDisabled, // batches are compressed, and sealed
	})
	if err != nil {
		conn.Close()
		if response != nil {
			err = fmt.Errorf("asked for a WebSocket, answered %s", response.Status)
		}
		return nil, response, err
	}
	ws.SetReadLimit(session.MaxDatagram + 1)
	return ws, nil, nil
}

// claims are what a token says.
type claims struct {
	jwt.RegisteredClaims
	Confirmation outer.Confirmation `json:"cnf"`
}

// token makes the token that opens a WebSocket on conn and nowhere else.
func (c *Credentials) token(conn *tls.Conn, audience string) (string, error) {
	state := conn.ConnectionState()
	exporter, err := state.ExportKeyingMaterial(outer.ExporterLabel, nil, outer.ExporterSize)
	if err != nil {
		return "", err
	}
	now := c.now()
	return jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Subject:   outer.Subject(c.id()),
			Audience:  jwt.ClaimStrings{audience},
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(now.Add(outer.TokenLife)),
			ID:        rand.Text(),
		},
		Confirmation: outer.Confirmation{Exporter: base64.RawURLEncoding.EncodeToString(exporter)},
	}).SignedString(c.identity)
}

// wsConn is a WebSocket with a datagram in each message.
type wsConn struct {
	ws     *websocket.Conn
	to     site.Address
	queue  chan []byte
	ctx    context.Context
	cancel context.CancelFunc
	writer sync.WaitGroup
	closed atomic.Bool
}

func newWSConn(ws *websocket.Conn, to site.Address) *wsConn {
	c := &wsConn{ws: ws, to: to, queue: make(chan []byte, maxQueue)}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.writer.Go(c.write)
	return c
}

func (c *wsConn) write() {
	for {
		select {
		case <-c.ctx.Done():
			return
		case d := <-c.queue:
			ctx, cancel := context.WithTimeout(c.ctx, writeTimeout)
			err := c.ws.Write(ctx, websocket.MessageBinary, d)
			cancel()
			if err != nil {
				c.ws.CloseNow() // a Read says so
				return
			}
		}
	}
}

var errQueueFull = errors.New("the connection is slower than what is sent")

// Write queues a datagram.
func (c *wsConn) Write(b []byte) (int, error) {
	select {
	case c.queue <- append([]byte(nil), b...):
		return len(b), nil
	case <-c.ctx.Done():
		return 0, net.ErrClosed
	default:
		return 0, errQueueFull
	}
}

// Read reads a datagram. Its errors are final: net.ErrClosed after Close, else
// another.
func (c *wsConn) Read(b []byte) (int, error) {
	for {
		kind, d, err := c.ws.Read(c.ctx)
		if c.closed.Load() {
			return 0, net.ErrClosed
		}
		if err != nil {
			c.cancel()
			return 0, fmt.Errorf("WebSocket ended: %v", err)
		}
		if kind == websocket.MessageBinary && len(d) <= len(b) {
			return copy(b, d), nil
		}
	}
}

func (c *wsConn) Close() error {
	c.closed.Store(true)
	c.cancel()
	c.writer.Wait()
	return c.ws.CloseNow()
}

// LocalAddr is not known: the connection may be a proxy's.
func (c *wsConn) LocalAddr() net.Addr  { return wsAddr("") }
func (c *wsConn) RemoteAddr() net.Addr { return wsAddr(c.to.String()) }

type wsAddr string

func (wsAddr) Network() string  { return "wss" }
func (a wsAddr) String() string { return string(a) }

var errNoDeadline = errors.New("a WebSocket has no deadlines")

func (c *wsConn) SetDeadline(time.Time) error      { return errNoDeadline }
func (c *wsConn) SetReadDeadline(time.Time) error  { return errNoDeadline }
func (c *wsConn) SetWriteDeadline(time.Time) error { return errNoDeadline }
