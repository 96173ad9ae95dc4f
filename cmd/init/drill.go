//go:build linux && drill

package main

import (
	"context"
	"crypto/sha256"
	"io"
	"time"

	"github.com/taproot-sensor/taproot/firmware/slots"
	"github.com/taproot-sensor/taproot/firmware/update"
)

// drillConfirm is how long the trial of a drill has: long enough for an
// operator that is a test.
const drillConfirm = 30 * time.Second

// drillRelease is the name of images that update themselves: the one of an image
// that was given none.
const drillRelease = "dev"

// drill installs, once it has shown all that a trial must show, what runs in
// slot A into slot B, byte by byte, and starts it. hwtest boots such an image; no
// image for a sensor is built with this tag.
func (s *sensor) drill(ctx context.Context, u *update.Updater) error {
	if s.image.Release != drillRelease || u.Running() != slots.A || s.trial.Wait(ctx, time.Hour) != nil {
		return nil
	}
	_, disk, err := slots.Find(s.board)
	if err != nil {
		return err
	}
	table, err := slots.ReadTable(disk)
	if err != nil {
		return err
	}
	a := table[slots.A.Region()]
	running := io.NewSectionReader(disk, a.Start, a.Size)
	sum := sha256.New()
	if _, err := io.Copy(sum, running); err != nil {
		return err
	}
	if _, err := running.Seek(0, io.SeekStart); err != nil {
		return err
	}
	start := time.Now()
	rel := update.Release{Digest: slots.Digest(sum.Sum(nil)), Confirm: drillConfirm}
	if err := u.Install(ctx, running, rel); err != nil { // it has failed before
		say("drill: %v", err)
		if err := u.Forgive(rel.Digest); err != nil {
			return err
		}
		if err := u.Install(ctx, running, rel); err != nil {
			return err
		}
	}
	say("drill: slot B is written, read back and armed in %.1f s", time.Since(start).Seconds())
	s.restartMachine()
	return nil
}
