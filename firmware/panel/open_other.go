//go:build !linux

package panel

import (
	"errors"

	"github.com/taproot-sensor/taproot/board"
)

// Open fails: lines are driven on Linux.
func Open([]board.Pin) (*Panel, error) {
	return nil, errors.New("opening the panel: this is not Linux")
}
