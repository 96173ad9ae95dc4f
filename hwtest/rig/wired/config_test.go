package wired

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/board"
)

const piFile = `board = "rpi4"   # as flashed
data  = "lab"

[console]
device = "/dev/ttyUSB0"

[power]
by      = "gpio"
chip    = "pinctrl-bcm2835"
line    = 17
off_for = "8s"

[tap]
interface = "enp3s0"
`

const pcFile = `board  = "pc"
data   = "/srv/lab"
listen = "192.0.2.1:7755"

[console]
device = "/dev/ttyS1"
baud   = 9600

[power]
by            = "snmp"
address       = "192.0.2.9"
pdu           = "apc-rpdu2"
outlet        = 7
version       = "3"
user          = "rig"
auth_password = "authenticate me"
priv_password = "encrypt for me"

[button]
by         = "gpio"
chip       = "gpio-ftdi"
line       = 3
active_low = true
hold       = "1s"

[tap]
interface = "enp3s0"
`

func TestParse(t *testing.T) {
	pi, err := board.Lookup("rpi4")
	if err != nil {
		t.Fatal(err)
	}
	pc, err := board.Lookup("pc")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		text string
		want Config
	}{
		{piFile, Config{
			Board: pi, Data: "lab", Listen: ":7755", Console: Console{"/dev/ttyUSB0", 115200},
			Power: Switching{Relay: &Relay{Chip: "pinctrl-bcm2835", Line: 17}}, OffFor: 8 * time.Second, Tap: "enp3s0",
		}},
		{pcFile, Config{
			Board: pc, Data: "/srv/lab", Listen: "192.0.2.1:7755", Console: Console{"/dev/ttyS1", 9600},
			Power: Switching{Outlet: &Outlet{
				Address: "192.0.2.9:161", Set: ".1.3.6.1.4.1.318.1.1.26.9.2.4.1.5.7", On: 1, Off: 2,
				State: ".1.3.6.1.4.1.318.1.1.26.9.2.3.1.5.7", StateOn: 2, StateOff: 1,
				User: "rig", Auth: "SHA256", AuthPassword: "authenticate me", Priv: "AES", PrivPass: "encrypt for me",
			}}, OffFor: 5 * time.Second,
			Button: &Switching{Relay: &Relay{Chip: "gpio-ftdi", Line: 3, ActiveLow: true}}, Hold: time.Second, Tap: "enp3s0",
		}},
	} {
		got, err := parse([]byte(tt.text))
		if err != nil {
			t.Errorf("%s\n%v", tt.text, err)
			continue
		}
		if !reflect.DeepEqual(*got, tt.want) {
			t.Errorf("got  %+v %+v\nwant %+v %+v", *got, got.Power.Outlet, tt.want, tt.want.Power.Outlet)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, tt := range []struct{ name, text, old, new, want string }{
		{"unknown key", piFile, "line    = 17", "line = 17\nlines = 2", `line 11: power.lines: unknown key`},
		{"unknown table", piFile, "[tap]", "[relay]\nx = 1\n[tap]", `line 13: relay: unknown key`},
		{"unknown at the top", piFile, "data", "date", `line 2: date: unknown key`},
		{"missing at the top", piFile, `data  = "lab"`, "", `data: is missing: the data directory`},
		{"missing in a table", piFile, `device = "/dev/ttyUSB0"`, "", `line 4: console.device: is missing: the serial device`},
		{"missing table", piFile, "[tap]\ninterface = \"enp3s0\"\n", "", `tap.interface: is missing`},
		{"empty", piFile, "enp3s0", "", `line 14: tap.interface: is missing`},
		{"type", piFile, "17", `"seventeen"`, `line 10: power.line: want a number`},
		{"line", piFile, "17", "-3", `line 10: power.line: want the number of a line`},
		{"board", piFile, "rpi4", "rpi9", `line 1: board: board "rpi9" is unknown; known are`},
		{"table that is none", piFile, "[tap]\ninterface = \"enp3s0\"\n", "", `line 1: tap: want a table, [tap]`},
		{"duration", piFile, "8s", "8 seconds", `line 11: power.off_for: "8 seconds", want a time`},
		{"long duration", piFile, "8s", "8h", `want a time such as "5s", up to 5m0s`},
		{"by", piFile, `"gpio"`, `"hand"`, `line 8: power.by: "hand", want "snmp" or "gpio"`},
		{"syntax", piFile, `= "lab"`, "= lab", `line 2: `},
		{"pdu", pcFile, "apc-rpdu2", "apc", `line 12: power.pdu: "apc", want one of apc-rpdu, apc-rpdu2, poe, raritan`},
		{"outlet", pcFile, "outlet        = 7", "", `line 12: power.pdu: "apc-rpdu2" wants outlet = N`},
		{"version", pcFile, `"3"`, `"1"`, `line 14: power.version: "1", want "2c" or "3"`},
		{"community", pcFile, `"3"`, `"2c"`, `line 9: power.community: is missing`},
		{"auth", pcFile, `user  `, "auth = \"ROT13\"\nuser  ", `line 15: power.auth: "ROT13", want one of MD5, SHA`},
		{"baud", pcFile, "9600", "0", `line 7: console.baud: 0, want one or more`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(tt.text, tt.old, tt.new, 1)
			if tt.name == "table that is none" {
				text = "tap = 1\n" + text
			}
			_, err := parse([]byte(text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "board.toml")
	if err := os.WriteFile(path, []byte(piFile), 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path)
	if err != nil || c.Data != filepath.Join(filepath.Dir(path), "lab") {
		t.Errorf("got %+v, %v, want data beside the file", c, err)
	}
	if err := os.WriteFile(path, []byte(pcFile), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("with passwords that all may read: got %v", err)
	}
	if _, err := Load(path + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without file: got %v", err)
	}
}

// TestDocumentedFiles reads the files that the manual shows.
func TestDocumentedFiles(t *testing.T) {
	text, err := os.ReadFile("../../../docs/rig.md")
	if err != nil {
		t.Fatal(err)
	}
	files := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllSubmatch(text, -1)
	if len(files) < 2 {
		t.Fatalf("docs/rig.md shows %d files, want 2", len(files))
	}
	for _, f := range files {
		if _, err := parse(f[1]); err != nil {
			t.Errorf("%s\n%v", f[1], err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(piFile))
	f.Add([]byte(pcFile))
	f.Add([]byte("[[power]]\n"))
	f.Add([]byte("tap = 1\n[console.device]\n"))
	f.Add([]byte("\"[power]\" = 1\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parse(text)
		if err == nil && (c.Board == nil || c.Data == "" || c.Console.Device == "" || c.Tap == "" || c.Power == (Switching{})) {
			t.Errorf("taken with something missing: %+v", c)
		}
	})
}
