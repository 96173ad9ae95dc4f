package powercut

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/board/bootscript"
	slot "github.com/taproot-sensor/taproot/firmware/slots"
	"github.com/taproot-sensor/taproot/internal/fat"
)

// biosChain is a machine whose BIOS starts GRUB.
func biosChain() *Chain {
	return &Chain{
		Name:  "bios",
		Board: modelBoard("bios", board.BIOS),
		Boot:  bootGRUB,
		Slots: func(m *Machine, t slot.Table, s Start) slot.Slots {
			return &slot.BIOS{Disk: m.Disk, Table: t, CommandLine: s.CommandLine}
		},
		System: func(name string) map[string][]byte {
			kernel := payload(name, strings.Repeat("\x00", 0x202)+"HdrS")
			// The kernel lies behind the one cluster of this file.
			return map[string][]byte{"grub.cfg": fmt.Appendf(nil, "if linux16 (${slotdev})%d+%d quiet taproot.slot=${slot}; then set loaded=yes; fi\n",
				1+2*12+1+1, len(kernel)/sector), "kernel": kernel}
		},
		Prepare: func(b *board.Board, disk []byte) error {
			r, _ := b.Region(board.RegionBoot)
			copy(disk[r.Start:], bootscript.GRUBVolume(bootscript.GRUBEnv("a", "")))
			return nil
		},
	}
}

// A grub is GRUB while it runs.
type grub struct {
	*shell
	m     *Machine
	line  string // what the kernel is told; valid iff a kernel is loaded
	start Start
}

// bootGRUB runs the configuration in GRUB's core.
func bootGRUB(m *Machine) (Start, error) {
	config, err := bootscript.GRUBConfig(m.Chain.Board)
	if err != nil {
		return Start{}, err
	}
	g := &grub{m: m, shell: &shell{vars: map[string]string{"cmdpath": "(hd0)"}, funcs: map[string][]statement{}}}
	g.commands = map[string]func([]string) bool{
		"test": test, "[": bracket, "set": g.set,
		"echo": succeed, "sleep": succeed, "terminal_output": succeed,
		"serial":   fail, // a machine without one
		"load_env": g.loadEnv, "save_env": g.saveEnv, "source": g.source,
		"linux16": g.linux, "initrd16": g.initrd, "boot": g.boot, "reboot": g.reboot,
	}
	if _, err := g.run(config); err != nil {
		return Start{}, err
	}
	if g.start.Slot == "" {
		return Start{}, errors.New("GRUB started nothing")
	}
	return g.start, nil
}

func succeed([]string) bool { return true }
func fail([]string) bool    { return false }

func (g *grub) set(args []string) bool {
	name, value, _ := strings.Cut(strings.Join(args, " "), "=")
	g.vars[name] = value
	return true
}

var blockList = regexp.MustCompile(`^\(hd0(?:,gpt(\d+))?\)(\d+)\+(\d+)$`)

// blocks returns where on the disk a block list such as (hd0,gpt2)16+1 is.
func (g *grub) blocks(file string) (at, size int64, ok bool) {
	f := blockList.FindStringSubmatch(file)
	if f == nil {
		return 0, 0, false
	}
	first, _ := strconv.ParseInt(f[2], 10, 40)
	count, _ := strconv.ParseInt(f[3], 10, 40)
	limit := g.m.Disk.Size()
	if f[1] != "" {
		r, ok := g.partition("hd0,gpt" + f[1])
		if !ok {
			return 0, 0, false
		}
		at, limit = r.Start, r.Start+r.Size
	}
	at, size = at+first*sector, count*sector
	return at, size, at+size <= limit
}

// partition returns the region of a device such as hd0,gpt2.
func (g *grub) partition(device string) (slot.Region, bool) {
	t, err := slot.ReadTable(g.m.Disk)
	number, ok := strings.CutPrefix(device, "hd0,gpt")
	if err != nil || !ok {
		return slot.Region{}, false
	}
	for _, r := range t {
		if strconv.Itoa(r.Number) == number {
			return r, true
		}
	}
	return slot.Region{}, false
}

// env reads the environment block that --file names, and returns the names of
// variables that follow.
func (g *grub) env(args []string) (vars map[string]string, at int64, names []string, ok bool) {
	if len(args) < 2 || args[0] != "--file" {
		return nil, 0, nil, false
	}
	device, path, _ := strings.Cut(strings.TrimPrefix(args[1], "("), ")")
	r, ok := g.partition(device)
	if !ok {
		return nil, 0, nil, false
	}
	v, err := fat.Open(io.NewSectionReader(g.m.Disk, r.Start, r.Size))
	if err != nil {
		return nil, 0, nil, false
	}
	f, err := v.Find(path)
	if err != nil || len(f.Extents) != 1 {
		return nil, 0, nil, false
	}
	at = r.Start + f.Extents[0].Start
	vars, err = bootscript.ParseGRUBEnv(g.m.Disk.Bytes[at : at+f.Size])
	return vars, at, args[2:], err == nil
}

func (g *grub) loadEnv(args []string) bool {
	vars, _, names, ok := g.env(args)
	for name, value := range vars {
		if slices.Contains(names, name) {
			g.vars[name] = value
		}
	}
	return ok
}

// saveEnv writes the block back as a whole, through the BIOS.
func (g *grub) saveEnv(args []string) bool {
	vars, at, names, ok := g.env(args)
	if !ok {
		return false
	}
	for _, name := range names {
		vars[name] = g.vars[name]
	}
	_, err := g.m.Disk.WriteAt(bootscript.GRUBEnv(vars["slot"], vars["try"]), at)
	return err == nil
}

func (g *grub) source(args []string) bool {
	device, path, ok := strings.Cut(strings.TrimPrefix(strings.Join(args, " "), "("), ")")
	r, known := g.partition(device)
	if !ok || !known {
		return false
	}
	script, err := g.m.readFile(r, path)
	if err != nil {
		return false
	}
	list, err := parseScript(string(script))
	return err == nil && g.exec(list)
}

// linux is linux16, which loads a kernel: GRUB looks for the mark of one (the
// x86 boot protocol, Documentation/arch/x86/boot.rst: offset 0x202).
func (g *grub) linux(args []string) bool {
	g.line = ""
	if len(args) == 0 {
		return false
	}
	at, size, ok := g.blocks(args[0])
	if !ok || size < sector+512 || !bytes.Equal(g.m.Disk.Bytes[at+0x202:][:4], []byte("HdrS")) {
		return false
	}
	g.line = strings.Join(args[1:], " ")
	return true
}

func (g *grub) initrd(args []string) bool {
	_, _, ok := g.blocks(strings.Join(args, " "))
	return ok && g.line != ""
}

func (g *grub) boot([]string) bool {
	if g.line == "" {
		return false
	}
	g.done = true
	g.start, g.err = startedSlot(g.line)
	return true
}

func (g *grub) reboot([]string) bool {
	g.done = true
	return true
}
