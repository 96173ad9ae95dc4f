// Package collector is the server: edge, journal, lake, query, fleet and
// control, joined.
//
// Everything it keeps is below one data directory: keys/ and site.toml, which
// it makes at its first start, journal/, lake/, fleet.db and control.sock. What
// several collectors of a site share is in PostgreSQL instead.
package collector

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/taproot-sensor/taproot/collector/control"
	"github.com/taproot-sensor/taproot/collector/edge"
	"github.com/taproot-sensor/taproot/collector/edge/quota"
	"github.com/taproot-sensor/taproot/collector/fleet"
	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/collector/lake"
	"github.com/taproot-sensor/taproot/collector/ledger"
	"github.com/taproot-sensor/taproot/collector/rollout"
	"github.com/taproot-sensor/taproot/collector/tally"
	"github.com/taproot-sensor/taproot/provisioning"
	"github.com/taproot-sensor/taproot/wire/enrol"
)

// Config is what a collector is told.
type Config struct {
	Data      string   // directory of everything that is kept
	Listen    string   // UDP address, host:port
	Addresses []string // that sensors dial, as site.ParseAddress reads them; empty keeps those of site.toml, or guesses

	ListenDTLS string         // UDP address for DTLS; empty for none
	ListenWSS  string         // TCP address for WebSockets; empty for none
	PSKFile    string         // keys of devices that cannot do certificates; empty for none
	Proxies    []netip.Prefix // of proxies that end TLS for WebSockets and check the tokens

	Shared   string // URL of the PostgreSQL database that the site's collectors share; empty for one collector
	MaxBytes int64  // of the journal; 0 for no bound but the disk's
	// SensorMax is how many bytes per second one sensor may have stored; 0 for no
	// bound. None may have more of the journal than what is free of it.
	SensorMax int64

	// AskUpdates is how long sensors wait between questions for updates; 0 is
	// 10 minutes.
	AskUpdates time.Duration

	Name string // of the site, where there is no site.toml yet
	Log  *slog.Logger
	Say  func(format string, args ...any) // lines for who started it
}

// collector is a Run under way.
type collector struct {
	Config
	keysMu  sync.Mutex // held while keys change
	keys    *provisioning.Keys
	pool    *pgxpool.Pool  // of the shared database; nil without one
	ledger  *ledger.Ledger // likewise
	fleet   *fleet.Registry
	journal *journal.Journal
	lake    *lake.Lake
	tally   *tally.Tally
	edge    *edge.Edge
	shares  *quota.Shares
	udp     *edge.UDP

	releases *rollout.Server

	authority *provisioning.Authority
	hosts     []string // names of this collector, as sensors dial it
	ports     ports
}

// Run serves until ctx ends. Then it stops listening, finishes the group
// commit, acknowledges it, makes Parquet of all that is stored, closes, and
// says what was stored.
func Run(ctx context.Context, cfg Config) error {
	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return fmt.Errorf("making data directory: %w", err)
	}
	commands, err := control.Listen(cfg.Data) // first, since it tells whether another collector runs here
	if err != nil {
		return err
	}
	defer commands.Close()
	c := &collector{Config: cfg}
	if err := c.openSite(); err != nil {
		return err
	}
	if c.udp, err = edge.ListenUDP(cfg.Listen, cfg.Log); err != nil {
		return err
	}
	defer c.udp.Close()
	if c.tally, err = tally.Open(filepath.Join(c.Data, "tally.json")); err != nil {
		return err
	}
	if c.lake, err = lake.Open(filepath.Join(c.Data, "lake"), lake.Options{Log: c.Log, Tally: c.tally}); err != nil {
		return err
	}
	defer c.closeFleet()
	if err := c.openFleet(ctx); err != nil {
		return err
	}
	if err := c.openJournal(); err != nil {
		return err
	}
	c.releases = &rollout.Server{Dir: filepath.Join(c.Data, rollout.Dir), Log: c.Log, Ask: c.AskUpdates}
	c.shares = quota.NewShares(c.SensorMax)
	box, boxKey := [32]byte(c.keys.Box), [32]byte(c.keys.BoxKey())
	c.edge = edge.New(edge.Config{
		Box: &box, BoxKey: &boxKey, Identity: c.keys.IdentityKey(), Journal: batches{c.journal, c.ledger}, Decide: c.decide, Log: cfg.Log, Open: c.openFor, Shares: c.shares,
	})
	boxKeys, err := c.boxKeys()
	if err != nil {
		return err
	}
	c.edge.SetBoxKeys(boxKeys)
	c.Say("listening for sensors on UDP %s", c.udp.Addr())
	if err := c.listenPorts(); err != nil {
		return err
	}
	defer c.ports.close()
	updates, err := c.listenUpdates(c.udp.Addr().String())
	if err != nil {
		return err
	}
	return c.serve(ctx, commands, updates)
}

// openJournal opens the journal and says what had to be repaired.
func (c *collector) openJournal() error {
	opts := journal.Options{MaxBytes: c.MaxBytes}
	if c.ledger != nil {
		opts.Claim = c.ledger.Claim
	}
	j, repaired, err := journal.Open(filepath.Join(c.Data, "journal"), opts)
	if err != nil {
		return err
	}
	c.journal = j
	if repaired.Cut != nil || len(repaired.Damage) > 0 {
		c.Say("journal: %v", repaired)
	}
	return nil
}

// serve runs every part until ctx ends or one of them fails, and then ends them
// in the order that data goes: edge, journal, acknowledgements, lake.
func (c *collector) serve(ctx context.Context, commands, updates net.Listener) error {
	lakeCtx, stopLake := context.WithCancel(context.WithoutCancel(ctx))
	defer stopLake()
	lakeDone := make(chan error, 1)
	go func() { lakeDone <- c.lake.Run(lakeCtx, c.journal) }()

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.edge.Run(ctx) })
	g.Go(func() error { return c.watchRoom(ctx) })
	g.Go(func() error { return c.serveUpdates(ctx, updates) })
	g.Go(func() error { return c.udp.Run(ctx, c.edge) })
	c.ports.run(ctx, g, c.edge)
	g.Go(func() error {
		s := &control.Server{Fleet: c.fleet, Known: c.known, Journal: c.journal, Decided: c.decided, Query: c.query, Status: c.status, Rotate: c.rotate, HandOver: c.handOver}
		return s.Run(ctx, commands)
	})
	if c.ledger != nil {
		g.Go(func() error { return c.followDecisions(ctx) })
	}
	err := g.Wait()
	c.Say("stopping")
	err = errors.Join(err, c.journal.Close())
	c.edge.Flush()
	err = errors.Join(err, c.lastFlush(lakeCtx))
	stopLake()
	err = errors.Join(err, <-lakeDone)
	j, l := c.journal.Stats(), c.lake.Counters()
	c.Say("stored %d batches since start; %d records made %d Parquet files", j.Entries, l["rows"], l["files"])
	return err
}

// decide answers the edge's question what to do with a sensor that says HELLO.
func (c *collector) decide(id enrol.Identity, claims enrol.Claims, from netip.AddrPort) (enrol.Status, error) {
	s, err := c.fleet.Seen(id, claims, from, time.Now())
	if err != nil {
		return 0, err
	}
	if s.State == fleet.Pending && s.FirstSeen.Equal(s.LastSeen) {
		c.Say("sensor %s (board %s, from %s) waits for approval: compare the code with its console, then\n  taproot sensors approve %s --data %s",
			s.Code, s.Claims["board"], s.Address, s.Code, c.Data)
	}
	return s.State.Status(), nil
}

// decided ends the sessions of a sensor that was revoked.
func (c *collector) decided(s fleet.Sensor) {
	c.Say("sensor %s is %s", s.Code, s.State)
	var id enrol.Identity
	if _, err := hex.Decode(id[:], []byte(s.ID)); err == nil && s.State == fleet.Revoked {
		c.edge.Revoke(id)
		c.ports.revoke(id)
	}
}

func (c *collector) status() control.Status {
	s := control.Status{Counters: map[string]uint64{}}
	for name, n := range c.edge.Counters() {
		s.Counters["edge_"+name] = n
	}
	c.ports.counters(s.Counters)
	j := c.journal.Stats()
	maps.Copy(s.Counters, map[string]uint64{
		"journal_entries": j.Entries, "journal_bytes": j.Bytes, "journal_duplicates": j.Duplicates,
		"journal_failed": j.Failed, "journal_syncs": j.Groups, "journal_segments": uint64(j.Segments),
		"journal_refused": j.Refused, "journal_elsewhere": j.Elsewhere, "journal_size": uint64(j.Size),
	})
	for name, n := range c.lake.Counters() {
		s.Counters["lake_"+name] = n
	}
	behind := c.behind()
	s.Counters["lake_behind_bytes"] = uint64(behind)
	if behind > muchBehind {
		s.Problems = append(s.Problems, fmt.Sprintf("lake: %d MB of the journal are not Parquet yet; the journal grows to its bound, then sensors keep their batches", behind>>20))
	}
	if j.Failing != "" {
		s.Problems = append(s.Problems, "journal: "+j.Failing)
	}
	if c.ledger != nil {
		if err := c.ledger.Failing(); err != nil {
			s.Problems = append(s.Problems, "shared database: "+err.Error())
		}
	}
	if err := c.lake.Failing(); err != nil {
		s.Problems = append(s.Problems, "lake: "+err.Error())
	}
	return s
}
