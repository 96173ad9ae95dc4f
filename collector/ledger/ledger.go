// Package ledger is where the collectors of a site that share a PostgreSQL
// settle which of them has a batch.
//
// A sensor that hears no ACK sends a batch again, perhaps to another
// collector. So each collector, after a batch is durable in its journal and
// before it acknowledges it, claims it; the first claim wins. Who loses
// acknowledges it too, and leaves its own copy out of its lake. A claim is
// never given back: to claim again what one has is to have it still, so that
// after a crash a collector may simply ask again.
//
// For each boot of a sensor and each collector there is one row with the
// numbers of the batches as a multirange: its size does not grow with them.
// Claims are made one at a time, by groups. model/ has the protocol as a
// checked model.
package ledger

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/collector/postgres"
	"github.com/taproot-sensor/taproot/internal/ranges"
)

const (
	version = 1

	// maxClaim is how many batches are claimed at once: about 1.5 MB.
	maxClaim = 1 << 14
	// attempt bounds one try, and retryAfter is the pause after one that failed.
	attempt    = 5 * time.Second
	retryAfter = 200 * time.Millisecond

	// claimLock is held while a group is claimed.
	claimLock = 0x7461_7072_6f6f_7402
)

// schema: a boot has at most 16384 runs, as in the journal; beyond it the
// lowest gaps count as claimed, long after the sensor gave them up.
const schema = `
CREATE TABLE claims (
	sensor    BYTEA NOT NULL,
	boot      BYTEA NOT NULL,
	collector BYTEA NOT NULL,
	batches   INT8MULTIRANGE NOT NULL, -- numbers less 2^63
	changed   TIMESTAMPTZ NOT NULL DEFAULT now(),
	PRIMARY KEY (sensor, boot, collector)
) WITH (fillfactor = 70);

CREATE FUNCTION bounded(m INT8MULTIRANGE) RETURNS INT8MULTIRANGE LANGUAGE sql IMMUTABLE AS $$
	WITH runs AS (SELECT r, row_number() OVER (ORDER BY lower(r) DESC) AS n FROM unnest(m) AS r)
	SELECT m + COALESCE((SELECT int8multirange(int8range(lower(m), upper(r))) FROM runs WHERE n = 16384), '{}')
$$;`

// claim returns the indices of what others have, and enters the rest.
const claim = `
WITH asked AS (
	SELECT * FROM unnest($2::BYTEA[], $3::BYTEA[], $4::INT8[]) WITH ORDINALITY AS a(sensor, boot, batch, i)
), taken AS (
	SELECT a.i FROM asked AS a JOIN claims AS c USING (sensor, boot) WHERE c.collector <> $1 AND c.batches @> a.batch
), won AS (
	INSERT INTO claims AS c (sensor, boot, collector, batches)
	SELECT sensor, boot, $1, range_agg(int8range(batch, batch, '[]')) FROM asked
		WHERE i NOT IN (SELECT i FROM taken) GROUP BY sensor, boot
	ON CONFLICT (sensor, boot, collector) DO UPDATE SET batches = bounded(c.batches + excluded.batches), changed = now()
)
SELECT i - 1 FROM taken ORDER BY i`

// prune forgets boots that cannot come back: not among the four newest of
// their sensor, and older than any outage of a collector that is to settle its
// journal after it.
const prune = `
DELETE FROM claims WHERE changed < now() - INTERVAL '30 days' AND (sensor, boot) IN (
	SELECT sensor, boot FROM (
		SELECT sensor, boot, row_number() OVER (PARTITION BY sensor ORDER BY max(changed) DESC) AS age FROM claims GROUP BY sensor, boot
	) AS boots WHERE age > 4)`

// ID names a collector in the ledger. It belongs to one journal, and is never
// used with another.
type ID [16]byte

// A Ledger is one collector's view of the ledger. It is safe for several
// goroutines.
type Ledger struct {
	pool *pgxpool.Pool
	me   ID
	log  *slog.Logger

	mu      sync.Mutex
	failing error // why nothing can be claimed at the moment
}

// Open opens the ledger as collector me, and makes it if need be. The pool
// stays its owner's.
func Open(ctx context.Context, pool *pgxpool.Pool, me ID, log *slog.Logger) (*Ledger, error) {
	err := postgres.Migrate(ctx, pool, "ledger", version, schema)
	if err == nil {
		_, err = pool.Exec(ctx, prune)
	}
	if err != nil {
		return nil, fmt.Errorf("opening ledger: %w", err)
	}
	return &Ledger{pool: pool, me: me, log: log}, nil
}

// Claim claims batches for this collector and returns the indices of those
// that another one has, in order. While the database cannot be reached it tries
// again; it fails only when ctx ends. It is a journal's Options.Claim.
func (l *Ledger) Claim(ctx context.Context, ids []journal.ID) (elsewhere []int, err error) {
	first := 0
	for group := range slices.Chunk(ids, maxClaim) {
		lost, err := l.claimGroup(ctx, group)
		if err != nil {
			return nil, err
		}
		for _, i := range lost {
			elsewhere = append(elsewhere, first+i)
		}
		first += len(group)
	}
	return elsewhere, nil
}

func (l *Ledger) claimGroup(ctx context.Context, ids []journal.ID) ([]int, error) {
	for {
		elsewhere, err := l.try(ctx, ids)
		l.note(err)
		if err == nil {
			return elsewhere, nil
		}
		select {
		case <-time.After(retryAfter):
		case <-ctx.Done():
			return nil, fmt.Errorf("ledger: %w", err)
		}
	}
}

// try claims once. Both statements go in one packet and are one transaction:
// the second, with a snapshot of its own, sees what the lock's last holder did.
func (l *Ledger) try(ctx context.Context, ids []journal.ID) (elsewhere []int, err error) {
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	sensors, boots, batches := make([][]byte, len(ids)), make([][]byte, len(ids)), make([]int64, len(ids))
	for i := range ids {
		sensors[i], boots[i], batches[i] = ids[i].Sensor[:], ids[i].Boot[:], toColumn(ids[i].Batch)
	}
	var b pgx.Batch
	b.Queue("SELECT pg_advisory_xact_lock($1)", int64(claimLock))
	b.Queue(claim, l.me[:], sensors, boots, batches).Query(func(rows pgx.Rows) error {
		elsewhere, err = pgx.CollectRows(rows, pgx.RowTo[int])
		return err
	})
	return elsewhere, l.pool.SendBatch(ctx, &b).Close()
}

// PostgreSQL's integers are signed. A run ends before its upper bound, so the
// greatest number is none that a batch may have.
func toColumn(batch uint64) int64 { return int64(batch ^ 1<<63) }
func toBatch(column int64) uint64 { return uint64(column) ^ 1<<63 }

// note enters whether the database answers, and logs when that changes.
func (l *Ledger) note(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil && l.failing == nil:
		l.log.Error("shared database does not answer; no batch is acknowledged until it does", "error", err)
	case err == nil && l.failing != nil:
		l.log.Info("shared database answers again")
	}
	l.failing = err
}

// Failing returns why nothing can be claimed at the moment, or nil.
func (l *Ledger) Failing() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failing
}

// Stored returns the numbers of the batches of one boot of a sensor that any
// collector has.
func (l *Ledger) Stored(ctx context.Context, sensor [32]byte, boot [16]byte) (ranges.Set, error) {
	var set ranges.Set
	rows, err := l.pool.Query(ctx, "SELECT lower(r), upper(r) FROM claims, unnest(batches) AS r WHERE sensor = $1 AND boot = $2", sensor[:], boot[:])
	if err == nil {
		var from, to int64
		_, err = pgx.ForEachRow(rows, []any{&from, &to}, func() error {
			set.AddRange(ranges.Range{First: toBatch(from), Last: toBatch(to) - 1})
			return nil
		})
	}
	if err != nil {
		return ranges.Set{}, fmt.Errorf("asking ledger what is stored: %w", err)
	}
	return set, nil
}
