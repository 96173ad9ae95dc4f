// Package fleet is the registry of sensors: who they are, what
// was decided about them, by whom and on what evidence.
//
// It is a database that syncs on every change, so a decision that was answered
// survives power loss: SQLite for one collector, PostgreSQL for several that
// share it. Sensors that nobody decided about are bounded
// in number: whoever can reach the collector can make some up.
package fleet

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/taproot-sensor/taproot/wire/enrol"
)

// maxPending bounds the sensors that wait for a decision. When there are more,
// the one that was silent the longest is forgotten; if it is real, it asks
// again.
const maxPending = 1024

// State is what was decided about a sensor.
type State string

// The states.
const (
	Pending  State = "pending"
	Approved State = "approved"
	Revoked  State = "revoked"
)

// Status returns the state in the wire's words.
func (s State) Status() enrol.Status {
	switch s {
	case Approved:
		return enrol.Approved
	case Revoked:
		return enrol.Refused
	}
	return enrol.Pending
}

// Evidence is on what ground a sensor was approved.
type Evidence int

// The levels of evidence; each is stronger than the one before.
const (
	Unknown  Evidence = 0 // nothing was shown
	Compared Evidence = 1 // an operator compared the code
)

// A Sensor is one row of the registry.
type Sensor struct {
	ID        string       `json:"id"` // the identity in hex
	Code      string       `json:"code"`
	State     State        `json:"state"`
	Evidence  Evidence     `json:"evidence"`
	Claims    enrol.Claims `json:"claims"` // what it says of itself; none of it is proven
	Address   string       `json:"address"`
	FirstSeen time.Time    `json:"first_seen"`
	LastSeen  time.Time    `json:"last_seen"`
	DecidedBy string       `json:"decided_by,omitempty"`
	DecidedAt time.Time    `json:"decided_at,omitzero"`
}

// A Registry is an open registry. It is safe for several goroutines. Its SQL
// is what SQLite and PostgreSQL have in common.
type Registry struct{ db *sql.DB }

// patience bounds one statement of Seen: the sensor asks again meanwhile.
const patience = 5 * time.Second

// Close closes the registry.
func (r *Registry) Close() error { return r.db.Close() }

// Seen records that a sensor said HELLO, and returns what is known and decided
// about it. A new one is pending.
func (r *Registry) Seen(id enrol.Identity, claims enrol.Claims, from netip.AddrPort, now time.Time) (Sensor, error) {
	said, err := json.Marshal(claims)
	if err != nil {
		return Sensor{}, fmt.Errorf("recording sensor %q: %w", id.Code(), err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	row := r.db.QueryRowContext(ctx, `INSERT INTO sensors VALUES ($1, $2, 'pending', 0, $3, $4, $5, $5, '', 0)
		ON CONFLICT (id) DO UPDATE SET claims = excluded.claims, address = excluded.address, last_seen = excluded.last_seen
		RETURNING *`,
		hex.EncodeToString(id[:]), id.Code(), string(said), from.String(), now.UnixNano())
	s, err := scan(row)
	if err == nil && s.State == Pending && s.FirstSeen.Equal(s.LastSeen) {
		_, err = r.db.ExecContext(ctx, `DELETE FROM sensors WHERE id IN (
			SELECT id FROM sensors WHERE state = 'pending' ORDER BY last_seen DESC LIMIT $1 OFFSET $2)`, int64(math.MaxInt64), maxPending)
	}
	if err != nil {
		return Sensor{}, fmt.Errorf("recording sensor %q: %w", id.Code(), err)
	}
	return s, nil
}

// List returns every sensor, those that wait for a decision first, then by when
// they were first seen.
func (r *Registry) List(ctx context.Context) ([]Sensor, error) {
	rows, err := r.db.QueryContext(ctx, "SELECT * FROM sensors ORDER BY state <> 'pending', first_seen, id")
	if err != nil {
		return nil, fmt.Errorf("listing sensors: %w", err)
	}
	defer rows.Close()
	list := []Sensor{}
	for rows.Next() {
		s, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("listing sensors: %w", err)
		}
		list = append(list, s)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("listing sensors: %w", err)
	}
	return list, nil
}

// Approve lets a sensor send. ref is its code, its id, or the first digits of
// its id; by is who decided.
func (r *Registry) Approve(ctx context.Context, ref, by string, now time.Time) (Sensor, error) {
	return r.decide(ctx, ref, by, now, Approved, Compared)
}

// Revoke keeps a sensor from sending. Batches that it sent stay.
func (r *Registry) Revoke(ctx context.Context, ref, by string, now time.Time) (Sensor, error) {
	return r.decide(ctx, ref, by, now, Revoked, Unknown)
}

func (r *Registry) decide(ctx context.Context, ref, by string, now time.Time, state State, evidence Evidence) (Sensor, error) {
	s, err := r.Find(ctx, ref)
	if err != nil {
		return Sensor{}, err
	}
	row := r.db.QueryRowContext(ctx, `UPDATE sensors SET state = $1, evidence = $2, decided_by = $3, decided_at = $4 WHERE id = $5 RETURNING *`,
		string(state), evidence, by, now.UnixNano(), s.ID)
	if s, err = scan(row); err != nil {
		return Sensor{}, fmt.Errorf("deciding about sensor %q: %w", ref, err)
	}
	return s, nil
}

// Revoked returns the identities that are revoked: a collector that shares its
// registry ends their sessions when another one was told.
func (r *Registry) Revoked(ctx context.Context) ([]enrol.Identity, error) {
	rows, err := r.db.QueryContext(ctx, "SELECT id FROM sensors WHERE state = 'revoked'")
	if err != nil {
		return nil, fmt.Errorf("listing revoked sensors: %w", err)
	}
	defer rows.Close()
	var list []enrol.Identity
	for rows.Next() {
		var text string
		var id enrol.Identity
		if err := rows.Scan(&text); err != nil {
			return nil, fmt.Errorf("listing revoked sensors: %w", err)
		}
		if _, err := hex.Decode(id[:], []byte(text)); err != nil {
			return nil, fmt.Errorf("listing revoked sensors: id %q: %w", text, err)
		}
		list = append(list, id)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("listing revoked sensors: %w", err)
	}
	return list, nil
}

// ErrNotFound is wrapped where no single sensor is meant by a reference.
var ErrNotFound = errors.New("not found")

// minPrefix keeps a slip of the hand from naming a sensor by accident.
const minPrefix = 4

// Find returns the one sensor that ref means: a code, an id, or the first
// digits of an id.
func (r *Registry) Find(ctx context.Context, ref string) (Sensor, error) {
	if len(ref) == hex.EncodedLen(len(enrol.Identity{})) { // an id: it is not searched for in a large fleet
		s, err := scan(r.db.QueryRowContext(ctx, "SELECT * FROM sensors WHERE id = $1", strings.ToLower(ref)))
		if !errors.Is(err, sql.ErrNoRows) {
			return s, err
		}
	}
	list, err := r.List(ctx)
	if err != nil {
		return Sensor{}, err
	}
	var found []Sensor
	code := strings.ToUpper(strings.ReplaceAll(ref, "-", ""))
	for _, s := range list {
		if code == strings.ReplaceAll(s.Code, "-", "") || len(ref) >= minPrefix && strings.HasPrefix(s.ID, strings.ToLower(ref)) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return Sensor{}, fmt.Errorf("sensor %q: %w: it is known by its code, its id, or at least %d first digits of its id", ref, ErrNotFound, minPrefix)
	}
	return Sensor{}, fmt.Errorf("sensor %q: %w: %d sensors are known by that; give more digits of the id", ref, ErrNotFound, len(found))
}

func scan(row interface{ Scan(...any) error }) (Sensor, error) {
	var s Sensor
	var claims string
	var first, last, decided int64
	if err := row.Scan(&s.ID, &s.Code, &s.State, &s.Evidence, &claims, &s.Address, &first, &last, &s.DecidedBy, &decided); err != nil {
		return Sensor{}, err
	}
	s.FirstSeen, s.LastSeen = time.Unix(0, first).UTC(), time.Unix(0, last).UTC()
	if decided != 0 {
		s.DecidedAt = time.Unix(0, decided).UTC()
	}
	return s, json.Unmarshal([]byte(claims), &s.Claims)
}
