//go:build !linux

package image

import (
	"errors"
	"os"
)

type openedDevice struct{ *os.File }

var errNotHere = errors.New("flashing works on Linux; elsewhere, write disk.img with another program")

// Inspect works on Linux only.
func Inspect(string) (Device, error) { return Device{}, errNotHere }

func openDevice(Device) (openedDevice, error) { return openedDevice{}, errNotHere }

func settleDevice(openedDevice, Device) error { return errNotHere }
