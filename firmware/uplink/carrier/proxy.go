package carrier

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxProxyAnswer bounds what a proxy may answer before it is a wire, in bytes.
const maxProxyAnswer = 8 << 10

// dialTCP connects to hostPort, through the HTTP proxy if there is one.
func dialTCP(ctx context.Context, hostPort, proxy string) (net.Conn, error) {
	var d net.Dialer
	if proxy == "" {
		return d.DialContext(ctx, "tcp", hostPort)
	}
	conn, err := d.DialContext(ctx, "tcp", strings.TrimPrefix(proxy, "http://"))
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Now()) })
	err = connect(conn, hostPort)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("proxy %s: %w", proxy, err)
	}
	return conn, nil
}

// connect asks the proxy at the other end of conn for a wire to hostPort (RFC
// 9110, section 9.3.6).
func connect(conn net.Conn, hostPort string) error {
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: hostPort}, Host: hostPort, Header: http.Header{"User-Agent": {"taproot"}}}
	if err := request.Write(conn); err != nil {
		return err
	}
	// The collector says nothing before the sensor does, so that nothing of it
	// is lost in the buffer.
	r := bufio.NewReader(io.LimitReader(conn, maxProxyAnswer))
	response, err := http.ReadResponse(r, request) // whose body is the wire
	switch {
	case err != nil:
		return err
	case response.StatusCode != http.StatusOK:
		return fmt.Errorf("asked for a wire to %s, answered %s", hostPort, response.Status)
	case r.Buffered() > 0:
		return errors.New("said more than it was asked")
	}
	return nil
}
