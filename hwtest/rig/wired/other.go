//go:build !linux

package wired

import (
	"errors"
	"os"
)

var errNotLinux = errors.New("a rig for real boards runs on Linux")

// OpenSerial fails.
func OpenSerial(Console) (*os.File, error) { return nil, errNotLinux }

// A Cable is the host's end of the cable in a tap port.
type Cable struct{ *os.File }

// OpenCable fails.
func OpenCable(string) (*Cable, error) { return nil, errNotLinux }
