// Package postgres opens the PostgreSQL database that several collectors of
// one site share.
//
// Everything is in the schema taproot. Each user of the database has its own
// tables there and a version for them; package fleet and package ledger do.
// PostgreSQL 14 or later, for its multiranges.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// leastVersion is the first with multirange types (release notes of 14).
	leastVersion = 140000
	// connectTimeout bounds a dial: sensors wait meanwhile.
	connectTimeout = 3 * time.Second
	// migrationLock keeps two collectors from making the same tables at once.
	migrationLock = 0x7461_7072_6f6f_7401
)

// settings are those of each connection. A statement that waits longer than
// the collector does must not go on holding locks, nor a backend whose
// collector has lost power.
var settings = map[string]string{
	"application_name":                    "taproot",
	"search_path":                         "taproot",
	"statement_timeout":                   "5s",
	"idle_in_transaction_session_timeout": "5s",
	"tcp_keepalives_idle":                 "5",
	"tcp_keepalives_interval":             "2",
	"tcp_keepalives_count":                "3",
	"tcp_user_timeout":                    "10s",
	"synchronous_commit":                  "on", // what was answered survives a crash of the server
}

// Open connects to the database at url, "postgres://…" or "key=value …"; the
// environment (PGPASSWORD, PGSSLROOTCERT …) and ~/.pgpass count as for psql.
func Open(ctx context.Context, url string) (*pgxpool.Pool, error) {
	pool, err := open(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("opening shared database: %w", err)
	}
	return pool, nil
}

func open(ctx context.Context, url string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	for name, value := range settings {
		cfg.ConnConfig.RuntimeParams[name] = value
	}
	cfg.ConnConfig.ConnectTimeout = connectTimeout
	cfg.MaxConns = 4 // the ledger's, the fleet's, and one for a person's command each
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	var version int
	err = pool.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&version)
	if err == nil && version < leastVersion {
		err = fmt.Errorf("PostgreSQL %d is too old: 14 or later is needed", version/10000)
	}
	if err != nil {
		pool.Close()
		return nil, err
	}
	return pool, nil
}

// IsUnreachable reports whether err says that the server cannot be reached, or
// lets nobody in: it may at another time.
func IsUnreachable(err error) bool {
	var dial *pgconn.ConnectError
	return errors.As(err, &dial)
}

// Migrate makes the tables of name by ddl unless they are there. Tables of
// another version are an error.
func Migrate(ctx context.Context, pool *pgxpool.Pool, name string, version int, ddl string) error {
	err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock($1)", int64(migrationLock)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `CREATE SCHEMA IF NOT EXISTS taproot;
			CREATE TABLE IF NOT EXISTS versions (name TEXT PRIMARY KEY, version INTEGER NOT NULL);`); err != nil {
			return err
		}
		var have int
		err := tx.QueryRow(ctx, "SELECT version FROM versions WHERE name = $1", name).Scan(&have)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			if _, err := tx.Exec(ctx, ddl); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, "INSERT INTO versions VALUES ($1, $2)", name, version)
			return err
		case err == nil && have != version:
			return fmt.Errorf("version %d, want %d: they are of another release", have, version)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("making the tables of %s: %w", name, err)
	}
	return nil
}
