package uplink

import (
	"context"
	"net"

	"github.com/taproot-sensor/taproot/firmware/uplink/carrier"
	"github.com/taproot-sensor/taproot/wire/site"
)

// dialer returns what reaches any address of the site, by its carrier.
func dialer(cfg *Config) (func(ctx context.Context, address string) (net.Conn, error), error) {
	options := carrier.Options{Site: cfg.Site, Credentials: cfg.Credentials, UDP: dialUDP}
	if options.Credentials == nil {
		var err error
		if options.Credentials, err = carrier.NewCredentials(cfg.Identity); err != nil {
			return nil, err
		}
	}
	return func(ctx context.Context, address string) (net.Conn, error) {
		a, err := site.ParseAddress(address)
		if err != nil {
			return nil, err
		}
		return carrier.Dial(ctx, a, options)
	}, nil
}

// carrierOf returns the carrier of an address of the site's list.
func carrierOf(address string) site.Carrier {
	a, _ := site.ParseAddress(address) // the site was checked
	return a.Carrier
}
