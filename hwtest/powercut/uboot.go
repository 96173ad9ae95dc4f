package powercut

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/board/bootscript"
	slot "github.com/taproot-sensor/taproot/firmware/slots"
)

// ubootChain is a machine with U-Boot.
func ubootChain() *Chain {
	return &Chain{
		Name:  "uboot",
		Board: modelBoard("uboot", board.UBoot),
		Boot:  bootUBoot,
		Slots: func(m *Machine, t slot.Table, s Start) slot.Slots {
			return &slot.UBoot{Disk: m.Disk, Table: t, CommandLine: s.CommandLine}
		},
		System: func(name string) map[string][]byte {
			return map[string][]byte{
				"slot.scr": bootscript.UBootImage("if load ${devtype} ${devnum}:${slotpart} ${kernel_addr_r} vmlinuz; then\n" +
					"setenv bootargs quiet taproot.slot=${slot}\nbootz ${kernel_addr_r}\nfi\n"),
				"vmlinuz": payload(name, strings.Repeat("\x00", 0x24)+"\x18\x28\x6f\x01"),
			}
		},
		Prepare: func(b *board.Board, disk []byte) error {
			slotAt, tryAt, err := bootscript.UBootStateAt(b)
			if err == nil {
				copy(disk[slotAt:], bootscript.UBootEnv("slot", "a"))
				copy(disk[tryAt:], bootscript.UBootEnv("try", "none"))
			}
			return err
		},
	}
}

// legacyHead is the size of a legacy image's header; that of a script is
// followed by a table of one size and a zero (U-Boot's include/image.h).
const legacyHead = 64

// readScript returns the script in what bootscript.UBootImage makes.
func readScript(b []byte) (string, error) {
	be := binary.BigEndian
	if len(b) < legacyHead+8 || be.Uint32(b) != 0x27051956 || b[30] != 6 {
		return "", errors.New("no script image")
	}
	head := slices.Clone(b[:legacyHead])
	clear(head[4:8])
	size := int(be.Uint32(b[12:]))
	if crc32.ChecksumIEEE(head) != be.Uint32(b[4:]) || size < 8 || size > len(b)-legacyHead ||
		crc32.ChecksumIEEE(b[legacyHead:][:size]) != be.Uint32(b[24:]) {
		return "", errors.New("script image: a checksum is wrong")
	}
	return string(b[legacyHead+8 : legacyHead+size]), nil
}

// A uboot is U-Boot while it runs.
type uboot struct {
	*shell
	m      *Machine
	memory map[uint64][]byte // what was put at each address
	start  Start
}

// bootUBoot runs boot.scr, as the distribution boot commands of U-Boot start it
// (doc/develop/distro.rst).
func bootUBoot(m *Machine) (Start, error) {
	script, err := bootscript.UBootScript(m.Chain.Board)
	if err != nil {
		return Start{}, err
	}
	u := &uboot{m: m, memory: map[uint64][]byte{}, shell: &shell{funcs: map[string][]statement{}, vars: map[string]string{
		"devtype": "virtio", "devnum": "0", "kernel_addr_r": "40400000", "ramdisk_addr_r": "44000000", "pxefile_addr_r": "40300000",
	}}}
	u.commands = map[string]func([]string) bool{
		"test": test, "echo": succeed, "sleep": succeed, "setenv": u.setenv, "virtio": u.virtio,
		"env": u.env, "load": u.load, "source": u.source, "bootz": u.bootz, "reset": u.reset,
	}
	if _, err := u.run(script); err != nil {
		return Start{}, err
	}
	if u.start.Slot == "" {
		return Start{}, errors.New("U-Boot started nothing")
	}
	return u.start, nil
}

// number reads one as U-Boot does: hexadecimal.
func number(s string) uint64 {
	n, _ := strconv.ParseUint(strings.TrimPrefix(s, "0x"), 16, 40)
	return n
}

func (u *uboot) setenv(args []string) bool {
	if len(args) == 0 {
		return false
	}
	if u.vars[args[0]] = strings.Join(args[1:], " "); len(args) == 1 {
		delete(u.vars, args[0])
	}
	return true
}

// virtio reads and writes sectors.
func (u *uboot) virtio(args []string) bool {
	if len(args) == 2 && args[0] == "dev" {
		return args[1] == "0"
	}
	if len(args) != 4 {
		return false
	}
	address, at, size := number(args[1]), int64(number(args[2]))*sector, int(number(args[3]))*sector
	switch args[0] {
	case "read":
		b := make([]byte, size)
		_, err := u.m.Disk.ReadAt(b, at)
		u.memory[address] = b
		return err == nil
	case "write":
		b := make([]byte, size)
		copy(b, u.memory[address])
		_, err := u.m.Disk.WriteAt(b, at)
		return err == nil
	}
	return false
}

// env is "import -c ADDRESS SIZE NAME..." and "export -c -s SIZE ADDRESS NAME".
func (u *uboot) env(args []string) bool {
	switch {
	case len(args) >= 5 && args[0] == "import" && args[1] == "-c":
		b := u.memory[number(args[2])]
		vars, err := bootscript.ParseUBootEnv(b[:min(len(b), int(number(args[3])))])
		for name, value := range vars {
			if slices.Contains(args[4:], name) {
				u.vars[name] = value
			}
		}
		return err == nil
	case len(args) == 6 && args[0] == "export" && args[1] == "-c" && args[2] == "-s" && number(args[3]) == sector:
		u.memory[number(args[4])] = bootscript.UBootEnv(args[5], u.vars[args[5]])
		return true
	}
	u.err = fmt.Errorf("the model does not know env %s", strings.Join(args, " "))
	return false
}

// load reads a file: "load virtio 0:2 ADDRESS NAME".
func (u *uboot) load(args []string) bool {
	if len(args) != 4 || args[0] != "virtio" {
		return false
	}
	t, err := slot.ReadTable(u.m.Disk)
	if err != nil {
		return false
	}
	for _, r := range t {
		if args[1] == fmt.Sprintf("0:%x", r.Number) {
			b, err := u.m.readFile(r, args[3])
			u.memory[number(args[2])] = b
			return err == nil
		}
	}
	return false
}

func (u *uboot) source(args []string) bool {
	if len(args) != 1 {
		return false
	}
	text, err := readScript(u.memory[number(args[0])])
	if err != nil {
		return false
	}
	list, err := parseScript(text)
	return err == nil && u.exec(list)
}

// bootz starts a kernel that has the mark of one (arch/arm/boot/compressed/head.S
// of Linux: offset 0x24).
func (u *uboot) bootz(args []string) bool {
	kernel := u.memory[number(strings.Join(args[:min(1, len(args))], ""))]
	if len(kernel) < 0x28 || !bytes.Equal(kernel[0x24:0x28], []byte("\x18\x28\x6f\x01")) {
		return false
	}
	u.done = true
	u.start, u.err = startedSlot(u.vars["bootargs"])
	return true
}

func (u *uboot) reset([]string) bool {
	u.done = true
	return true
}
