//go:build linux

package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/firmware/boot"
	"github.com/taproot-sensor/taproot/firmware/slots"
	"github.com/taproot-sensor/taproot/firmware/update"
	"github.com/taproot-sensor/taproot/wire/site"
)

// A system that was started from no slot, but from an ISO or the network, runs
// from RAM. It is updated there, by kexec: docs/adr/0107.

// kexecArch is the one architecture whose Debian kernel has kexec_file_load(2),
// and kexecLoader the program in a slot whose parts are started.
const (
	kexecArch   = "amd64"
	kexecLoader = "EFI/BOOT/BOOTX64.EFI"
)

// takeOver reads what the system before this one has left: who the sensor is,
// and that this release is on trial. A fresh machine makes a key.
func (s *sensor) takeOver() error {
	const path = "/" + update.HandoverFile
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		_, s.key, err = ed25519.GenerateKey(nil)
		return err
	}
	if err != nil {
		return err
	}
	h, err := update.ParseHandover(b)
	if err != nil {
		return err
	}
	s.key, s.ram = h.Key, update.NewRAM(h, kexecLoader)
	return os.Remove(path)
}

// updatedInRAM reports whether this system runs from RAM and takes releases
// there.
func (s *sensor) updatedInRAM() bool {
	if s.ram != nil {
		return true
	}
	_, err := os.Stat("/" + rootFile)
	return err == nil && s.board.Arch == kexecArch && !slots.FromSlot(s.board)
}

// lockDown has the kernel protect itself from root, on boards that may have
// Secure Boot. Such a kernel starts none that is not signed for it, so one that
// is updated in RAM is left as the firmware wants it.
func (s *sensor) lockDown() {
	if !s.board.BootsBy(board.UEFI) || s.site.Live != site.LiveLocked && s.updatedInRAM() {
		return
	}
	if err := boot.LockDown(); err != nil {
		s.log.Error("lockdown", "err", err)
	}
}

// runInRAM confirms the release that runs, or ends it, and follows releases.
func (s *sensor) runInRAM(ctx context.Context) error {
	if !s.updatedInRAM() {
		return nil
	}
	if s.ram == nil { // what was started by kexec can be once more
		locked, err := boot.LockedDown()
		if err != nil {
			return err
		}
		if locked && !boot.SecureBoot() {
			say("this system runs in RAM and takes no updates: its kernel is locked down, and there is no Secure Boot to vouch for another")
			return nil
		}
		s.ram = update.NewRAM(update.Handover{Key: s.key}, kexecLoader)
	}
	s.ram.Load = boot.LoadKernel
	s.updates.mu.Lock()
	s.updates.ram = s.ram
	s.updates.mu.Unlock()
	t := s.ram.State().Trial
	if t == nil {
		say("release %s runs in RAM", s.image.Release)
		return s.followInRAM(ctx)
	}
	say("release %s is on trial in RAM for %s", s.image.Release, t.Confirm)
	err := s.trial.Wait(ctx, t.Confirm)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		say("release %s is given up: %v", s.image.Release, err)
		s.restartMachine()
		return nil
	}
	if err := s.ram.Confirm(); err != nil {
		return err
	}
	say("release %s is confirmed", s.image.Release)
	return s.followInRAM(ctx)
}

// followInRAM follows releases, with patches of the ISO's slot if there is one.
func (s *sensor) followInRAM(ctx context.Context) error {
	if s.trial.Await(ctx, update.Stored) != nil {
		return nil
	}
	medium, err := s.findBase()
	if err != nil {
		s.log.Info("whole images are fetched, and no patches", "reason", err)
		return s.follow(ctx, s.ram)
	}
	defer medium.Close()
	return s.follow(ctx, s.ram)
}

// findBase has patches made of the slot on the ISO that the machine was started
// from, for as long as the file it returns is open.
func (s *sensor) findBase() (*os.File, error) {
	medium, _, err := s.lookForMedium()
	if err != nil {
		return nil, err
	}
	slot, ok := medium.Slot()
	if !ok {
		return nil, errors.New("the ISO's install sheet names no slot")
	}
	disk, err := os.Open("/dev/" + medium.Disk.Name)
	if err != nil {
		return nil, err
	}
	base := io.NewSectionReader(disk, slot.From, slot.Size)
	digest, err := update.Hash(base)
	if err != nil {
		return nil, errors.Join(err, disk.Close())
	}
	s.ram.Base, s.ram.From = base, digest
	if runs, _ := s.ram.Runs(); runs == (slots.Digest{}) && medium.Sheet.Release == s.image.Release {
		s.ram.Found(digest)
	}
	return disk, nil
}

// leave has the machine go over to a release that is loaded, once the collector
// knows of it.
func (s *sensor) leave(ctx context.Context, f *update.Follower, c *update.Choice) error {
	runs, err := s.ram.Runs()
	if err == nil {
		err = f.Announce(ctx, runs, c.Digest)
	}
	if err != nil {
		boot.UnloadKernel()
		return err
	}
	s.kexec.Store(true)
	return nil
}

// untilNext is for how long the watchdog waits for the next system.
func (s *sensor) untilNext() time.Duration {
	switch {
	case s.kexec.Load():
		return boot.KexecTimeout
	case s.restart.Load():
		return boot.RestartTimeout
	}
	return 0
}
