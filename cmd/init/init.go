//go:build linux

package main

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"log/slog"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/firmware/boot"
	"github.com/taproot-sensor/taproot/firmware/fetch"
	"github.com/taproot-sensor/taproot/firmware/jail"
	"github.com/taproot-sensor/taproot/firmware/update"
	"github.com/taproot-sensor/taproot/wire/site"
)

// A sensor is what process 1 knows of the machine.
type sensor struct {
	log    *slog.Logger
	image  boot.Image
	board  *board.Board
	site   site.Site
	key    ed25519.PrivateKey // who this sensor is, until power-off
	budget boot.Budget

	taps    []string // names of the tap ports that are there
	missing int      // tap ports that are not
	stages  []*jail.Stage
	relay   *jail.Relay
	copying sync.WaitGroup // of batches into relay

	drivers     *boot.Drivers // for prepare, and then for lateDrivers
	freeDrivers func() error

	updates updates
	ram     *update.RAM  // nil for a system that was started from a slot, or is not updated
	fetch   fetch.Link   // to uplink, which fetches releases
	trial   update.Trial // what this boot has shown
	signs   signs        // for the panel
	restart atomic.Bool  // start anew when the stages have ended, instead of powering off
	kexec   atomic.Bool  // start what is loaded, without the firmware
	dog     boot.Watchdog
	end     func() // ends the stages
}

// runInit makes the machine a sensor and returns only when that fails.
func runInit(ctx context.Context, log *slog.Logger) error {
	s := &sensor{log: log, relay: jail.NewRelay()}
	missing, err := s.prepare()
	if err != nil {
		return err
	}
	say("init up") // as far as QEMU's Raspberry Pi comes: it is reset by its watchdog at once
	s.dog = boot.Watchdog{Timeout: pace(s.board.Watchdog), Healthy: s.healthy, Pinged: func() { s.trial.Show(update.Watchdog) }, Stay: s.untilNext}
	if err := s.dog.Arm(); err != nil {
		s.log.Error("watchdog", "err", err)
	}
	s.sicken()
	ctx, s.end = context.WithCancel(ctx)
	defer s.end()
	if err := boot.WatchPowerButton(onPower(s.end)); err != nil {
		log.Warn("no power button", "err", err)
	}
	s.trial.Show(update.Up)
	if len(missing) == 0 {
		s.trial.Show(update.Ports)
	}
	if err := s.upTaps(missing); err != nil {
		return err
	}
	if err := s.run(ctx); err != nil {
		return err
	}
	if s.kexec.Load() {
		say("starting the next release")
		if err := boot.Kexec(); err != nil {
			s.log.Error("kexec", "err", err)
		}
	}
	if s.restart.Load() {
		say("restarting")
		return boot.Restart(s.updates.argument())
	}
	say("powering off")
	return boot.PowerOff()
}

// prepare brings the machine up as far as ports with names, and returns those
// that are missing.
func (s *sensor) prepare() (missing []board.Port, err error) {
	if err := boot.Mount(); err != nil {
		return nil, err
	}
	root := os.DirFS("/")
	if s.image, s.board, err = boot.ReadImage(root); err != nil {
		return nil, err
	}
	if s.board.Screen {
		console = boot.Consoles()
	}
	if s.site, err = boot.ReadSite(root); err != nil {
		return nil, err
	}
	s.sickenEarly()
	if err := s.takeOver(); err != nil {
		return nil, err
	}
	if err := boot.SilenceNewLinks(); err != nil {
		return nil, err
	}
	if err := boot.LoadModules(); err != nil {
		s.log.Error("module", "err", err)
	}
	if s.drivers, s.freeDrivers, err = boot.OpenDrivers(); err != nil {
		return nil, err
	}
	s.settle()
	if err := boot.MountEFI(); err != nil {
		s.log.Warn("no firmware variables", "err", err)
	}
	s.lockDown()
	memory, err := boot.ReadMemory(os.DirFS("/proc"), "MemTotal")
	if err != nil {
		return nil, err
	}
	s.budget = boot.Divide(memory, runtime.NumCPU())
	if missing, err = boot.NamePorts(os.DirFS("/sys"), s.board.Ports, s.settle, boot.RenameLink); err != nil {
		return nil, err
	}
	if !boot.HasWatchdog() && s.drivers.Has(boot.SoftwareWatchdog) {
		say("no hardware watchdog; the kernel's own is used")
		if err := s.drivers.Load(boot.SoftwareWatchdog); err != nil {
			s.log.Error("driver", "err", err)
		}
	}
	return missing, nil
}

// settle loads the drivers of devices that have appeared. A driver that does
// not load is logged once and done without.
func (s *sensor) settle() {
	if err := s.drivers.Settle(os.DirFS("/sys")); err != nil {
		s.log.Error("driver", "err", err)
	}
}

// lateDrivers loads the drivers of what takes its time to appear, such as disks
// on USB, and then gives back the memory that all of them take.
func (s *sensor) lateDrivers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, diskPatience)
	defer cancel()
	for ctx.Err() == nil {
		s.settle()
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	return s.freeDrivers()
}

// upTaps brings the tap ports up. A machine without one stays reachable, so
// that its operator learns what is wrong.
func (s *sensor) upTaps(missing []board.Port) error {
	for _, p := range missing {
		say("%s port missing: board %q wants %s at %s", p.Role, s.board.Name, p.Name, cmp.Or(p.Device, "one of at least "+strconv.Itoa(len(s.board.Ports))+" Ethernet adapters"))
	}
	for _, p := range s.board.Ports {
		switch {
		case p.Role != board.Tap:
		case slices.Contains(missing, p):
			s.missing++
		default:
			if err := boot.UpTap(p.Name); err != nil {
				return err
			}
			s.taps = append(s.taps, p.Name)
		}
	}
	return nil
}

// run runs the sensor until ctx ends, and then its stages in the order that
// data flows, so that each passes on what it has.
func (s *sensor) run(ctx context.Context) error {
	if err := makeCells(); err != nil {
		return err
	}
	port := s.board.Port(board.Uplink).Name
	link := &boot.Uplink{
		Port: port, ResolvConf: uplinkRoot + "/etc/resolv.conf", Log: s.log,
		Up: func(addr net.IPNet) {
			s.signs.address.Store(true)
			say("uplink %s %s", port, &addr)
		},
	}
	uplink := s.uplinkStage()
	s.stages = []*jail.Stage{uplink}
	if len(s.taps) > 0 {
		s.stages = append(s.stages, s.meterStage())
	}

	// The services of the machine, the uplink among them, end after meter.
	services, stop := context.WithCancel(context.Background())
	defer stop()
	var running sync.WaitGroup
	serve := func(name string, run func(context.Context) error) {
		running.Go(func() {
			if err := run(services); err != nil {
				s.log.Error("service ended", "service", name, "err", err)
			}
		})
	}
	serve("dhcp", link.Run)
	serve("drivers", s.lateDrivers)
	serve("install", s.offerInstall)
	serve("uplink", uplink.Run)
	serve("watchdog", s.dog.Run)
	serve("report", s.report)
	serve("panel", s.runPanel)
	serve("updates", s.runUpdates)
	context.AfterFunc(ctx, func() { s.signs.ending.Store(true) })
	for _, stage := range s.stages[1:] {
		if err := stage.Run(ctx); err != nil {
			s.log.Error("stage did not end in order", "stage", stage.Name, "err", err)
		}
	}
	<-ctx.Done()
	say("tap ports closed")
	s.copying.Wait()
	s.relay.Close()
	stop()
	running.Wait()
	return nil
}

// healthy reports whether every stage is alive: else the watchdog is not pinged,
// and resets the machine.
func (s *sensor) healthy() bool {
	silent := func(stage *jail.Stage) bool { return !stage.Alive(s.board.Watchdog / 2) }
	return mayPing() && !slices.ContainsFunc(s.stages, silent)
}

// clockTolerance is how far the clock may be off before it is set: records have
// the time of both ends, and a clock that jumps is worse than one that is a
// little late.
const clockTolerance = 500 * time.Millisecond

// setClock moves the machine's clock by what the collector says it is behind.
func (s *sensor) setClock(offset time.Duration) {
	if offset.Abs() < clockTolerance {
		return
	}
	now := unix.NsecToTimespec(time.Now().Add(offset).UnixNano())
	if err := unix.ClockSettime(unix.CLOCK_REALTIME, &now); err != nil {
		s.log.Error("setting clock", "err", err)
		return
	}
	s.log.Info("clock set", "offset", offset)
}

// makeCells makes the directories that stages have as their root.
func makeCells() error {
	return errors.Join(os.Mkdir(meterRoot, 0o555), os.MkdirAll(uplinkRoot+"/etc", 0o755))
}
