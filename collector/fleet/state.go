package fleet

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/taproot-sensor/taproot/wire/enrol"
)

// State returns what is decided about a sensor: Pending where it is not known.
func (r *Registry) State(ctx context.Context, id enrol.Identity) (State, error) {
	var s State
	err := r.db.QueryRowContext(ctx, "SELECT state FROM sensors WHERE id = $1", hex.EncodeToString(id[:])).Scan(&s)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Pending, nil
	case err != nil:
		return "", fmt.Errorf("asking about sensor %q: %w", id.Code(), err)
	}
	return s, nil
}
