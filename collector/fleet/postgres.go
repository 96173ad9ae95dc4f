package fleet

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/taproot-sensor/taproot/collector/postgres"
)

// postgresSchema has the columns of sqliteSchema, in the same order.
const postgresSchema = `
CREATE TABLE sensors (
	id         TEXT COLLATE "C" PRIMARY KEY,
	code       TEXT NOT NULL,
	state      TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'revoked')),
	evidence   INTEGER NOT NULL,
	claims     TEXT NOT NULL,
	address    TEXT NOT NULL,
	first_seen BIGINT NOT NULL,
	last_seen  BIGINT NOT NULL,
	decided_by TEXT NOT NULL,
	decided_at BIGINT NOT NULL
);
CREATE INDEX sensors_by_state ON sensors (state, last_seen);`

// OpenShared opens the registry that all collectors of a site share, and makes
// it if need be. The pool stays its owner's.
func OpenShared(ctx context.Context, pool *pgxpool.Pool) (*Registry, error) {
	if err := postgres.Migrate(ctx, pool, "fleet", schemaVersion, postgresSchema); err != nil {
		return nil, fmt.Errorf("opening shared fleet registry: %w", err)
	}
	return &Registry{stdlib.OpenDBFromPool(pool)}, nil
}
