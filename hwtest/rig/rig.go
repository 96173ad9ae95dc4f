// Package rig boots the image we ship on a machine that can be watched from all
// sides: its serial line is read, frames are injected into its tap port and
// counted when they come out of it, and its power is under control.
//
// A Machine is a QEMU process made from a board's own data, always under TCG:
// slower than KVM, and the same everywhere. One machine runs at a time on a
// host, because two that boot at once starve each other's clocks; Start waits
// for its turn. Nothing polls: console, QMP and exit are read as they happen.
//
// A board on a bench is a Machine too: Wired starts it by its outlet, reads its
// serial line and feeds its tap port from an interface of the host.
//
// The package also has a Collector, the real program as a child process, which
// a machine's uplink reaches at UplinkHost. It is for hwtest and its programs.
package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/taproot-sensor/taproot/board"
)

// UplinkHost is where the guest finds the host's loopback on its uplink, by
// QEMU's user network.
const UplinkHost = "10.0.2.2"

// Config says which machine to start.
type Config struct {
	Board *board.Board
	Image string // directory of a built image
	Dir   string // where the machine's disk and firmware variables lie

	Direct bool // hand kernel and initramfs to the machine though it has a loader
	BIOS   bool // start by the board's BIOS though it has UEFI

	// ISO starts the image's ISO as that, and the disk is empty.
	ISO Medium

	// SecureBoot is a variable store with keys enrolled: it is used with a UEFI
	// that checks signatures in place of the board's own.
	SecureBoot string

	// Disk is a disk of an earlier machine to go on with; "" is a fresh one.
	Disk string

	NoTap bool // leave the tap port out

	Memory int // in MiB; 0 is what the board has

	// Once switches the machine off where it would start anew. The next start
	// is then a cold one, of another Machine with the same Dir and Disk.
	Once bool

	// NetBoot has UEFI boot from the tap port first: how a test makes a port
	// speak that is silent otherwise.
	NetBoot bool

	Console io.Writer // gets all that the console says, as it is said; may be nil
}

// SecureBootCode is a UEFI that checks signatures, and SecureBootVars a variable
// store for it without keys.
const (
	SecureBootCode = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"
	SecureBootVars = "/usr/share/OVMF/OVMF_VARS_4M.fd"
)

// A Medium is what an ISO lies on.
type Medium string

// The media.
const (
	CD    Medium = "cd"
	Stick Medium = "stick"
)

// qemuMedia are the -device arguments of media; drive= is added.
var qemuMedia = map[Medium]string{CD: "ide-cd,bus=ide.1,drive=medium,bootindex=0", Stick: "usb-storage,bus=usb.0,drive=medium,bootindex=0"}

// A Device is a board that can be switched on: a Config, which QEMU plays, or a
// Wired. What is on is a Machine, the same to a scenario.
type Device interface {
	Start(ctx context.Context) (*Machine, error)
}

// Start starts the machine that QEMU plays.
func (cfg Config) Start(ctx context.Context) (*Machine, error) { return Start(ctx, cfg) }

// A Machine is a board under power.
type Machine struct {
	Console *Console
	Tap     *Tap      // of the first tap port; nil with Config.NoTap
	Taps    []*Tap    // of all of them
	Disk    string    // path of its disk image; "" for a board without one
	On      time.Time // when power came on

	keys   io.Writer     // what is typed at the serial line
	press  func() error  // presses the power button
	qmp    *qmp          // nil for a board on a bench
	pins   *pins         // nil for a board on a bench, and for one without
	pid    int           // of QEMU
	exited chan struct{} // closed once QEMU has ended
	err    error         // how it ended; valid iff exited is closed
	close  []func()
}

// ownGroup keeps a Ctrl-C at the terminal from our children: it is for us, and
// we then end them in good order.
var ownGroup = &syscall.SysProcAttr{Setpgid: true}

// Missing returns what the host lacks to start the board, or nil.
func Missing(b *board.Board) error {
	if _, err := exec.LookPath(b.QEMU.Binary); err != nil {
		return fmt.Errorf("%s is not installed; scripts/install-deps test installs it", b.QEMU.Binary)
	}
	if b.BootsBy(board.UEFI) {
		if _, err := firmware(b); err != nil {
			return err
		}
	}
	return nil
}

// Start takes the host's turn and switches the machine on. The machine runs
// until Close, or until it switches itself off.
func Start(ctx context.Context, cfg Config) (*Machine, error) {
	m := &Machine{exited: make(chan struct{})}
	if err := m.start(ctx, cfg); err != nil {
		m.Close()
		return nil, fmt.Errorf("starting board %q: %w", cfg.Board.Name, err)
	}
	return m, nil
}

func (m *Machine) start(ctx context.Context, cfg Config) error {
	unlock, err := lockHost(ctx)
	if err != nil {
		return err
	}
	m.close = append(m.close, unlock)
	// Socket addresses are short (unix(7): 108 bytes), so not in cfg.Dir.
	sockets, err := os.MkdirTemp("", "rig-")
	if err != nil {
		return err
	}
	m.close = append(m.close, func() { os.RemoveAll(sockets) })
	args, err := m.arguments(cfg, sockets)
	if err != nil {
		return err
	}
	return m.launch(ctx, cfg, args, sockets)
}

// launch starts QEMU with its processor stopped, connects everything, and lets
// it run.
func (m *Machine) launch(ctx context.Context, cfg Config, args []string, sockets string) error {
	control, err := listenQMP(filepath.Join(sockets, "qmp"))
	if err != nil {
		return err
	}
	defer control.Close()
	lines, err := listenPins(cfg.Board, sockets)
	if err != nil {
		return err
	}
	defer lines.Close()
	cmd := exec.Command(cfg.Board.QEMU.Binary, args...)
	cmd.SysProcAttr = ownGroup
	var stderr strings.Builder
	cmd.Stderr = &stderr
	serial, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if m.keys, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	m.pid = cmd.Process.Pid
	m.Console = newConsole(cfg.Console)
	go func() {
		m.Console.read(serial)
		if err := cmd.Wait(); err != nil {
			m.err = fmt.Errorf("%s: %w: %s", cfg.Board.QEMU.Binary, err, strings.TrimSpace(stderr.String()))
		}
		m.Console.end(m.err)
		close(m.exited)
	}()
	kill := func() { cmd.Process.Kill(); <-m.exited }
	m.close = append(m.close, kill)
	if m.qmp, err = control.accept(ctx, m.exited); err != nil {
		kill()
		return errors.Join(m.err, err)
	}
	m.close = append(m.close, func() { m.qmp.Close() })
	m.press = func() error { return m.qmp.do("system_powerdown") }
	if m.pins, err = lines.accept(m.qmp); err != nil {
		return err
	}
	if m.pins != nil {
		m.close = append(m.close, func() { m.pins.conn.Close() })
	}
	for _, p := range cfg.Board.Ports {
		if p.Role != board.Tap || cfg.NoTap {
			continue
		}
		tap, err := dialTap(p.Name, sockets)
		if err != nil {
			return err
		}
		m.plug(tap)
	}
	m.On = time.Now()
	return m.qmp.do("cont")
}

// plug adds a cable.
func (m *Machine) plug(tap *Tap) {
	if m.Taps = append(m.Taps, tap); m.Tap == nil {
		m.Tap = tap
	}
	m.close = append(m.close, tap.close)
}

// Worked returns how much of the host's processors QEMU has used: what a span of
// time would be on a host that does nothing else.
func (m *Machine) Worked() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", m.pid))
	if err != nil {
		return 0, err
	}
	const user, system, tick = 11, 12, 10 * time.Millisecond // proc(5), counted behind the name; USER_HZ is 100
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	u, err := strconv.Atoi(f[user])
	if err != nil {
		return 0, err
	}
	s, err := strconv.Atoi(f[system])
	return time.Duration(u+s) * tick, err
}

// Type types at the serial line.
func (m *Machine) Type(text string) error {
	_, err := io.WriteString(m.keys, text)
	return err
}

// TapPower presses the power button for a moment.
func (m *Machine) TapPower() error {
	if err := m.press(); err != nil {
		return fmt.Errorf("pressing power: %w", err)
	}
	return nil
}

// PressPower presses the power button and waits until the machine is off.
func (m *Machine) PressPower(ctx context.Context) error {
	if err := m.TapPower(); err != nil {
		return err
	}
	select {
	case <-m.exited:
		return m.err
	case <-ctx.Done():
		return fmt.Errorf("machine is still on after its power button was pressed: %w%s", ctx.Err(), m.Console.tail())
	}
}

// Close cuts the power, if it is still on, and gives the turn back.
func (m *Machine) Close() {
	for i := len(m.close) - 1; i >= 0; i-- {
		m.close[i]()
	}
	m.close = nil
}
