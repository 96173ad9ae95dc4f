// Package firmware is the sensor: capture, decode, flow and app make records of
// frames (joined by meter), spool keeps them and uplink delivers them.
//
// On a board, cmd/init runs meter and uplink as processes in jails. On a host,
// Run has both in one process, which is as safe as the host is.
package firmware

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"log/slog"

	"golang.org/x/sync/errgroup"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/meter"
	"github.com/taproot-sensor/taproot/firmware/spool"
	"github.com/taproot-sensor/taproot/firmware/uplink"
	"github.com/taproot-sensor/taproot/firmware/uplink/carrier"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/site"
)

// hostSpool is what a sensor on a host keeps in RAM while its collector is
// away, in bytes.
const hostSpool = 256 << 20

// Config is what a sensor on a host is made of.
type Config struct {
	Sources  []capture.Source // one per shard
	Meter    meter.Config     // Out is set here
	Site     site.Site
	Identity ed25519.PrivateKey
	Claims   enrol.Claims
	// Credentials are what carriers are shown; nil for new ones.
	Credentials *carrier.Credentials
	Log         *slog.Logger
	Say         func(line string) // lines for who watches
}

// Run is a sensor on an ordinary host. It ends when the source does and all is
// stored, or when ctx does; then it says in its error what was not stored. A
// source that breaks, such as a truncated file, is an error after all that was
// read before has been delivered.
func Run(ctx context.Context, cfg Config) error {
	batches, out := io.Pipe()
	var broken error
	var g errgroup.Group
	g.Go(func() error {
		defer out.Close()
		cfg.Meter.Out = out
		broken = meter.RunShards(ctx, cfg.Meter, cfg.Sources)
		return nil
	})
	g.Go(func() error {
		return uplink.Run(ctx, uplink.Config{
			Site: cfg.Site, Identity: cfg.Identity, Claims: cfg.Claims, In: []io.ReadCloser{batches},
			Credentials: cfg.Credentials, Spool: spool.New(hostSpool), Log: cfg.Log, Say: cfg.Say,
		})
	})
	err := g.Wait()
	return errors.Join(broken, err)
}
