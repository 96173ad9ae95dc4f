package fleet

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

const schemaVersion = 1

const sqliteSchema = `
CREATE TABLE sensors (
	id         TEXT PRIMARY KEY, -- Ed25519 public key, hex
	code       TEXT NOT NULL,
	state      TEXT NOT NULL CHECK (state IN ('pending', 'approved', 'revoked')),
	evidence   INTEGER NOT NULL,
	claims     TEXT NOT NULL,    -- JSON object
	address    TEXT NOT NULL,
	first_seen INTEGER NOT NULL, -- Unix ns, like all times here
	last_seen  INTEGER NOT NULL,
	decided_by TEXT NOT NULL,
	decided_at INTEGER NOT NULL
) STRICT;
CREATE INDEX sensors_by_state ON sensors (state, last_seen);
PRAGMA user_version = 1;`

// Open opens the registry of one collector, at path, and makes it if need be.
func Open(path string) (*Registry, error) {
	db, err := openSQLite(path)
	if err != nil {
		return nil, fmt.Errorf("opening fleet registry %s: %w", path, err)
	}
	return &Registry{db}, nil
}

func openSQLite(path string) (*sql.DB, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) // SQLite would make it 0644
	if err != nil {
		return nil, err
	}
	f.Close()
	dsn := url.URL{Scheme: "file", Opaque: url.PathEscape(path),
		RawQuery: "_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)&_txlock=immediate"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // one writer is all SQLite has
	if err := migrateSQLite(db); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

func migrateSQLite(db *sql.DB) error {
	var have int
	if err := db.QueryRow("PRAGMA user_version").Scan(&have); err != nil {
		return err
	}
	switch have {
	case schemaVersion:
		return nil
	case 0:
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.Exec(sqliteSchema); err != nil {
			return err
		}
		return tx.Commit()
	}
	return fmt.Errorf("schema version %d, want %d: it is of another release", have, schemaVersion)
}
