package collector

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/taproot-sensor/taproot/collector/fleet"
	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/collector/ledger"
	"github.com/taproot-sensor/taproot/collector/postgres"
	"github.com/taproot-sensor/taproot/internal/durable"
	"github.com/taproot-sensor/taproot/internal/ranges"
	"github.com/taproot-sensor/taproot/wire/enrol"
)

const (
	// connectAgain is the pause before a database that does not answer is
	// asked again at start.
	connectAgain = time.Second
	// decisionsEvery is how often a collector looks for what was decided at
	// another: a revocation is to take effect within 5 s.
	decisionsEvery = 2 * time.Second
	// storedWithin bounds the question to the ledger that a new session waits
	// for.
	storedWithin = 2 * time.Second
)

// openFleet opens the registry: the collector's own, or the one that it shares,
// with the ledger beside it.
func (c *collector) openFleet(ctx context.Context) (err error) {
	if c.Shared == "" {
		c.fleet, err = fleet.Open(filepath.Join(c.Data, "fleet.db"))
		return err
	}
	me, err := c.ownID()
	if err != nil {
		return err
	}
	if c.pool, err = c.connect(ctx); err != nil {
		return err
	}
	if c.fleet, err = fleet.OpenShared(ctx, c.pool); err != nil {
		return err
	}
	c.ledger, err = ledger.Open(ctx, c.pool, me, c.Log)
	return err
}

func (c *collector) closeFleet() {
	if c.fleet != nil {
		c.fleet.Close()
	}
	if c.pool != nil {
		c.pool.Close()
	}
}

// connect waits until the shared database answers.
func (c *collector) connect(ctx context.Context) (*pgxpool.Pool, error) {
	for said := false; ; said = true {
		pool, err := postgres.Open(ctx, c.Shared)
		if err == nil || !postgres.IsUnreachable(err) {
			return pool, err
		}
		if !said {
			c.Say("waiting for the shared database: %v", err)
		}
		select {
		case <-time.After(connectAgain):
		case <-ctx.Done():
			return nil, err
		}
	}
}

// ownID returns what the ledger knows this collector by; the first start makes
// it.
func (c *collector) ownID() (id ledger.ID, err error) {
	path := filepath.Join(c.Data, "collector.id")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		rand.Read(id[:])
		return id, durable.WriteFile(path, fmt.Appendf(nil, "%x\n", id), 0o600)
	}
	if err != nil {
		return id, fmt.Errorf("reading the collector's id: %w", err)
	}
	text := strings.TrimSpace(string(data))
	if n, err := hex.Decode(id[:], []byte(text[:min(len(text), 2*len(id))])); err != nil || n != len(id) || len(text) != 2*n {
		return id, fmt.Errorf("reading the collector's id: %s: not %d hex digits", path, 2*len(id))
	}
	return id, nil
}

// batches is where the edge has batches stored: the journal, and for what other
// collectors have stored, the ledger.
type batches struct {
	*journal.Journal
	ledger *ledger.Ledger
}

// Stored returns the batches of one boot that need not be sent again.
func (b batches) Stored(sensor [32]byte, boot [16]byte) ranges.Set {
	set := b.Journal.Stored(sensor, boot)
	if b.ledger == nil {
		return set
	}
	ctx, cancel := context.WithTimeout(context.Background(), storedWithin)
	defer cancel()
	shared, err := b.ledger.Stored(ctx, sensor, boot)
	if err != nil { // then they are sent again, and claimed in vain
		return set
	}
	for _, r := range shared.Runs() {
		set.AddRange(r)
	}
	return set
}

// followDecisions ends the sessions of sensors that were revoked at another
// collector, until ctx ends.
func (c *collector) followDecisions(ctx context.Context) error {
	tick := time.NewTicker(decisionsEvery)
	defer tick.Stop()
	known := map[enrol.Identity]bool{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		revoked, err := c.fleet.Revoked(ctx)
		if err != nil {
			continue // without its database the collector acknowledges nothing anyway, and says so
		}
		now := make(map[enrol.Identity]bool, len(revoked))
		for _, id := range revoked {
			if now[id] = true; !known[id] {
				c.edge.Revoke(id)
			}
		}
		known = now
	}
}
