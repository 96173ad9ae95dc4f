//go:build !linux

package uplink

import (
	"context"
	"errors"
	"net"

	"github.com/taproot-sensor/taproot/wire/site"
)

var errTooBig = errors.New("datagram is too big")

func dialUDP(ctx context.Context, address string) (net.Conn, error) {
	a, err := site.ParseAddress(address)
	if err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, "udp", net.JoinHostPort(a.Host, a.Port))
}
