//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"runtime/debug"
	"time"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/firmware/boot"
	"github.com/taproot-sensor/taproot/firmware/slots"
	"github.com/taproot-sensor/taproot/firmware/update"
)

// rootFile is the root of the releases that this image takes.
const rootFile = "root.json"

// askAgain is how long to wait after a question that was not answered. The first
// question comes when the collector has stored a batch: from then on it is known
// to be there.
const askAgain = time.Minute

// An updater has a machine start another release: one in a slot, or one in RAM.
type updater interface {
	// Runs returns the digest of the slot that runs; zero where none does.
	Runs() (slots.Digest, error)
	// Image returns a slot that patches may be applied to, and its digest.
	Image() (io.ReaderAt, slots.Digest, error)
	State() slots.State
	// Install has a release started by the next restart.
	Install(ctx context.Context, image io.Reader, rel update.Release) error
}

// follow installs the releases that the collector offers, until one is armed.
func (s *sensor) follow(ctx context.Context, u updater) error {
	root, err := fs.ReadFile(os.DirFS("/"), rootFile)
	if errors.Is(err, fs.ErrNotExist) {
		s.log.Info("this image takes no updates: it was built without --root")
		return nil
	}
	if err != nil {
		return err
	}
	f := &update.Follower{
		Board: s.image.Board, Unit: s.unit(), Root: root, Fetch: &s.fetch,
		Memory: func() (int, error) { return boot.ReadMemory(os.DirFS("/proc"), "MemAvailable") },
	}
	for s.trial.Await(ctx, update.Stored) == nil {
		wait, err := s.followOnce(ctx, u, f)
		switch {
		case ctx.Err() != nil || s.restart.Load():
			return nil
		case err != nil:
			say("update refused: %v", err)
			s.updates.refuse(update.Reason(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(max(wait, time.Second)):
		}
	}
	return nil
}

// followOnce asks for a release and installs it.
func (s *sensor) followOnce(ctx context.Context, u updater, f *update.Follower) (time.Duration, error) {
	runs, err := u.Runs()
	if err != nil {
		return askAgain, err
	}
	c, wait, err := f.Check(ctx, runs, u.State())
	if err != nil || c == nil || runs == (slots.Digest{}) && c.Release.Release == s.image.Release {
		if wait == 0 {
			wait = askAgain
		}
		return wait, err
	}
	if s.ram != nil {
		if err := f.RoomInRAM(c); err != nil {
			return wait, fmt.Errorf("release %q: %w", c.Release.Release, err)
		}
	}
	say("updating to release %s, number %d", c.Release.Release, c.Counter)
	s.signs.installing.Store(true)
	defer s.signs.installing.Store(false)
	start := time.Now()
	base, from, err := u.Image()
	if err != nil {
		return wait, err
	}
	image, how, err := f.Bring(ctx, c, base, from)
	defer debug.FreeOSMemory()
	if err != nil {
		return wait, err
	}
	defer image.Close()
	rel := update.Release{Digest: c.Digest, Floor: c.Floor, Confirm: time.Duration(c.Confirm) * time.Second}
	if err := u.Install(ctx, image, rel); err != nil {
		return wait, err
	}
	place := "RAM"
	if s.ram == nil {
		place = "slot " + string(s.updates.status.Running.Other())
	} else if err := s.leave(ctx, f, c); err != nil {
		return wait, err
	}
	say("release %s is in %s after %.1f s, from %s", c.Release.Release, place, time.Since(start).Seconds(), how)
	s.restartMachine()
	return wait, nil
}

// unit is what stays of this sensor across boots: its uplink's address, hashed.
func (s *sensor) unit() string {
	var address []byte
	if port, err := net.InterfaceByName(s.board.Port(board.Uplink).Name); err == nil {
		address = port.HardwareAddr
	}
	sum := sha256.Sum256(address)
	return hex.EncodeToString(sum[:8])
}
