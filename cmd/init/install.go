//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/firmware/boot"
	"github.com/taproot-sensor/taproot/firmware/install"
	"github.com/taproot-sensor/taproot/wire/site"
)

// offerInstall looks for the ISO that the sensor was started from and installs
// it, where the site's policy or somebody at the console says so. The sensor
// runs meanwhile.
func (s *sensor) offerInstall(ctx context.Context) error {
	if !s.board.BootsBy(board.BIOS) {
		return nil // has no ISO
	}
	medium, disks, err := s.findMedium(ctx)
	if errors.Is(err, install.ErrNone) || ctx.Err() != nil {
		return nil
	}
	if err != nil {
		return err
	}
	say("this system runs from the medium in %s, in RAM", medium.Disk.Name)
	target, err := s.chooseDisk(ctx, medium, medium.Targets(disks))
	if err != nil || ctx.Err() != nil {
		return nil // has been said
	}
	if err := writeDisk(ctx, medium, target); err != nil {
		say("installing on %s: %v", target.Name, err)
		return err
	}
	say("installed on %s; take the medium out: the machine restarts", target.Name)
	s.restartMachine()
	return nil
}

// findMedium waits for a disk that is an ISO of ours.
func (s *sensor) findMedium(ctx context.Context) (install.Medium, []install.Disk, error) {
	for deadline := time.Now().Add(diskPatience); ; {
		m, disks, err := s.lookForMedium()
		if !errors.Is(err, install.ErrNone) || time.Now().After(deadline) {
			return m, disks, err
		}
		select {
		case <-ctx.Done():
			return m, nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// lookForMedium returns the ISO of ours among the disks that are there, and those.
func (s *sensor) lookForMedium() (install.Medium, []install.Disk, error) {
	disks, err := install.Disks(os.DirFS("/sys"))
	if err != nil {
		return install.Medium{}, nil, err
	}
	m, err := install.FindMedium(disks, s.board.Name, func(name string) (io.ReaderAt, func() error, error) {
		f, err := os.Open("/dev/" + name)
		if err != nil {
			return nil, nil, err
		}
		return f, f.Close, nil
	})
	return m, disks, err
}

// chooseDisk returns where to install.
func (s *sensor) chooseDisk(ctx context.Context, m install.Medium, targets []install.Disk) (install.Disk, error) {
	if s.site.Install != site.InstallUnattended {
		if len(targets) == 0 {
			return install.Disk{}, errors.New("no disk")
		}
		c := install.Console{Say: func(format string, args ...any) { say(format, args...) }, Lines: boot.ConsoleLines()}
		return c.Choose(ctx, targets)
	}
	// Not again and again, where nobody takes the medium out.
	target, err := install.Only(targets)
	if err == nil && installed(m, target) {
		err = fmt.Errorf("%s has this board's partition table already; take the medium out", target.Name)
	}
	if err != nil {
		say("not installed: %v", err)
	}
	return target, err
}

// installed reports whether a disk looks like what would be written to it.
func installed(m install.Medium, target install.Disk) bool {
	medium, err := os.Open("/dev/" + m.Disk.Name)
	if err != nil {
		return false
	}
	defer medium.Close()
	disk, err := os.Open("/dev/" + target.Name)
	if err != nil {
		return false
	}
	defer disk.Close()
	return m.Installed(medium, disk)
}

// writeDisk installs on target, which nobody else may have open.
func writeDisk(ctx context.Context, m install.Medium, target install.Disk) error {
	medium, err := os.Open("/dev/" + m.Disk.Name)
	if err != nil {
		return err
	}
	defer medium.Close()
	disk, err := boot.OpenDisk(target.Name)
	if err != nil {
		return err
	}
	defer disk.Close()
	const every = 25 // percent
	next := every
	return m.Write(ctx, medium, disk, func(what string, percent int) {
		if percent >= next {
			say("%s: %s %d %%", target.Name, what, percent)
			next = percent/every*every%100 + every
		}
	})
}
