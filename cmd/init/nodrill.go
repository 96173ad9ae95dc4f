//go:build linux && !drill

package main

import (
	"context"

	"github.com/taproot-sensor/taproot/firmware/update"
)

// drill does nothing: a sensor is updated by its collector alone. The build tag
// drill makes images that update themselves.
func (s *sensor) drill(context.Context, *update.Updater) error { return nil }

// sickenEarly and sicken do nothing: images of the build tag drill fail as their
// name says.
func (s *sensor) sickenEarly() {}

func (s *sensor) sicken() {}
