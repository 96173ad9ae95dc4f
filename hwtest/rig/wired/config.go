// Package wired is what a real board hangs on when it is tested: a serial line,
// an outlet or a relay that switches it, perhaps a finger on its button, and a
// cable into its tap port.
//
// One TOML file says what is where; docs/rig.md has the wiring and two files to
// start from. The file is read strictly: what is unknown, missing or unusable is
// an error with file, line and key. Package rig makes a machine of all this; the
// parts know nothing of sensors.
package wired

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/taproot-sensor/taproot/board"
)

// A Config is what a file says.
type Config struct {
	Board *board.Board

	// Data is a collector's data directory whose keys and site.toml the board's
	// image was made with, and Listen where that collector is to listen.
	Data, Listen string

	Console Console
	Power   Switching
	Button  *Switching // nil where nobody can press it
	OffFor  time.Duration
	Hold    time.Duration // of the button, so that it switches the board off

	Tap string // the interface of this host that feeds the tap port
}

// Console is the board's serial line.
type Console struct {
	Device string
	Baud   int
}

// Switching is how something is switched: by one of the two.
type Switching struct {
	Outlet *Outlet
	Relay  *Relay
}

// Outlet is an outlet, or a switch's port with PoE, that is set by SNMP.
type Outlet struct {
	Address string // host:port

	// Set is the variable that switches, to On or Off; State, if not "", is one
	// that says when that is done.
	Set               string
	On, Off           int
	State             string
	StateOn, StateOff int // what State reads

	// Community is for SNMP 2c. For SNMP 3 it is empty, and there is a user with
	// authentication and privacy.
	Community              string
	User                   string
	Auth, Priv             string // "SHA256", "AES"
	AuthPassword, PrivPass string
}

// Relay is a line of this host's own GPIO.
type Relay struct {
	Chip      string // its label, as gpiodetect shows it
	Line      int
	ActiveLow bool
}

// Defaults.
const (
	defaultListen = ":7755"
	defaultOffFor = 5 * time.Second
	defaultHold   = 4 * time.Second
)

// Load reads a rig's file.
func Load(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading rig file: %w", err)
	}
	c, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("reading rig file %s: %w", path, err)
	}
	if info, err := os.Stat(path); err == nil && c.secret() && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("reading rig file %s: it has a password or a community, and others may read it: chmod 600 %s", path, path)
	}
	if !filepath.IsAbs(c.Data) {
		c.Data = filepath.Join(filepath.Dir(path), c.Data)
	}
	return c, nil
}

// secret reports whether the file holds what others must not know.
func (c *Config) secret() bool {
	return c.Power.Outlet != nil || c.Button != nil && c.Button.Outlet != nil
}

// parse reads the text of a rig's file.
func parse(text []byte) (*Config, error) {
	f, err := newFile(text)
	if err != nil {
		return nil, err
	}
	c := &Config{}
	root := f.table("")
	name := root.text("board", `the name of a board, as "taproot board list" has it`)
	if c.Board, err = board.Lookup(name); err != nil && name != "" {
		root.fail("board", err)
	}
	c.Data = root.text("data", `the data directory of the collector whose site.toml the board's image was made with`)
	c.Listen = cmp.Or(root.optional("listen"), defaultListen)

	console := f.table("console")
	c.Console.Device = console.text("device", `the serial device, such as "/dev/ttyUSB0"`)
	c.Console.Baud = console.number("baud", c.baud())
	if c.Console.Baud < 1 {
		console.fail("baud", fmt.Errorf("%d, want one or more", c.Console.Baud))
	}

	power := f.table("power")
	c.Power = power.switching()
	c.OffFor = power.duration("off_for", defaultOffFor)
	if f.has("button") {
		button := f.table("button")
		s := button.switching()
		c.Button, c.Hold = &s, button.duration("hold", defaultHold)
	}
	c.Tap = f.table("tap").text("interface", `the interface of this host that is wired to the board's tap port`)
	return c, f.finish()
}

// baud returns the speed of the board's console, as its kernel is told.
func (c *Config) baud() int {
	const usual = 115200
	if c.Board == nil {
		return usual
	}
	_, after, _ := strings.Cut(c.Board.Console, ",")
	n, err := strconv.Atoi(after)
	if err != nil {
		return usual
	}
	return n
}

// switching reads how something is switched.
func (t *table) switching() Switching {
	switch by := t.text("by", `"snmp" for an outlet, "gpio" for a relay`); by {
	case "snmp":
		return Switching{Outlet: t.outlet()}
	case "gpio":
		r := &Relay{Chip: t.text("chip", `the label of a GPIO chip of this host`), ActiveLow: t.flag("active_low")}
		r.Line = t.number("line", -1)
		if r.Line < 0 {
			t.fail("line", errors.New("want the number of a line of the chip, from 0"))
		}
		return Switching{Relay: r}
	case "":
	default:
		t.fail("by", fmt.Errorf(`%q, want "snmp" or "gpio"`, by))
	}
	return Switching{}
}

// outlet reads an outlet, of a family of PDUs or variable by variable.
func (t *table) outlet() *Outlet {
	o := &Outlet{Address: t.text("address", `where the PDU or switch answers, such as "192.0.2.9:161"`)}
	if !strings.Contains(o.Address, ":") && o.Address != "" {
		o.Address += ":161"
	}
	if family := t.optional("pdu"); family != "" {
		if err := o.preset(family, t.number("outlet", 0)); err != nil {
			t.fail("pdu", err)
		}
	} else {
		o.Set = t.text("oid", `the variable that switches, or pdu = "…" and outlet = N instead`)
		o.On, o.Off = t.number("on", 1), t.number("off", 2)
		o.State = t.optional("state_oid")
		o.StateOn, o.StateOff = t.number("state_on", o.On), t.number("state_off", o.Off)
	}
	switch version := t.text("version", `"2c" or "3"`); version {
	case "2c":
		o.Community = t.text("community", "the community that may write")
	case "3":
		o.User = t.text("user", "the user that may write")
		o.Auth, o.AuthPassword = cmp.Or(t.optional("auth"), "SHA256"), t.text("auth_password", "the user's password for authentication")
		o.Priv, o.PrivPass = cmp.Or(t.optional("priv"), "AES"), t.text("priv_password", "the user's password for privacy")
		if _, ok := authentications[o.Auth]; !ok {
			t.fail("auth", fmt.Errorf("%q, want one of %s", o.Auth, names(authentications)))
		}
		if _, ok := privacies[o.Priv]; !ok {
			t.fail("priv", fmt.Errorf("%q, want one of %s", o.Priv, names(privacies)))
		}
	case "":
	default:
		t.fail("version", fmt.Errorf(`%q, want "2c" or "3"; version 1 has no errors of a single variable`, version))
	}
	return o
}
