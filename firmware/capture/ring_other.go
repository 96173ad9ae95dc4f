//go:build !linux

package capture

import (
	"errors"
	"fmt"
	"os"
)

var errNoRing = fmt.Errorf("capturing from a port: %w on this operating system", errors.ErrUnsupported)

// OpenSocket is for Linux.
func OpenSocket(string, RingOptions) (*os.File, error) { return nil, errNoRing }

// OpenSockets is for Linux.
func OpenSockets(string, int, RingOptions) ([]*os.File, error) { return nil, errNoRing }

// RingFrom is for Linux.
func RingFrom(*os.File, RingOptions) (Source, error) { return nil, errNoRing }

// OpenRings is for Linux.
func OpenRings(string, int, RingOptions) ([]Source, error) { return nil, errNoRing }

// OpenRing is for Linux.
func OpenRing(string, RingOptions) (Source, error) { return nil, errNoRing }
