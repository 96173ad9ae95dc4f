// Package install puts a sensor that runs from an ISO on a disk of its machine.
//
// The ISO has an install sheet (package live): of which pieces of the ISO the
// disk is made, and what its hash is then. Write makes the disk, reads it back
// and compares. It begins with everything but the partition table, so that a
// disk that is half written is not taken for one that is done. The table has new
// GUIDs on each disk.
//
// Which disk it may be is decided here too, and strictly: whole disks that are
// not removable, not read-only, large enough and not the ISO's own. Whether to
// do it at all is for who sits at the console, or for the site's policy.
package install

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/taproot-sensor/taproot/wire/live"
)

// A Disk is a block device that is no partition.
type Disk struct {
	Name      string // "nvme0n1"
	Size      int64
	Model     string
	Removable bool
	ReadOnly  bool
}

func (d Disk) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s, %.1f GB, %s", d.Name, float64(d.Size)/1e9, d.Model))
}

// virtual are the names of block devices that are no disks.
var virtual = []string{"loop", "ram", "zram", "dm-", "md", "nbd", "fd"}

// Disks returns the disks of the machine. sys is /sys.
func Disks(sys fs.FS) ([]Disk, error) {
	entries, err := fs.ReadDir(sys, "block")
	if err != nil {
		return nil, fmt.Errorf("listing disks: %w", err)
	}
	var disks []Disk
	for _, e := range entries {
		name := e.Name()
		if slices.ContainsFunc(virtual, func(v string) bool { return strings.HasPrefix(name, v) }) {
			continue
		}
		attr := func(file string) string {
			b, _ := fs.ReadFile(sys, path.Join("block", name, file))
			return strings.TrimSpace(string(b))
		}
		const unit = 512 // of size, whatever the disk's own sectors are
		sectors, err := strconv.ParseInt(attr("size"), 10, 54)
		if err != nil || sectors == 0 {
			continue // a drive without a medium
		}
		disks = append(disks, Disk{
			Name: name, Size: sectors * unit, Model: attr("device/model"),
			Removable: attr("removable") != "0", ReadOnly: attr("ro") != "0",
		})
	}
	return disks, nil
}

// A Medium is the ISO that the machine was started from.
type Medium struct {
	Disk  Disk
	Sheet live.Sheet
}

// Device is a disk that is open.
type Device interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
}

// ErrNone is returned where the machine has no ISO.
var ErrNone = errors.New("no ISO of taproot")

// FindMedium looks for the board's ISO among disks.
func FindMedium(disks []Disk, board string, open func(name string) (io.ReaderAt, func() error, error)) (Medium, error) {
	for _, d := range disks {
		r, close, err := open(d.Name)
		if err != nil {
			continue // a drive that is not ready
		}
		b := make([]byte, live.SheetSize)
		_, err = r.ReadAt(b, live.SheetOffset)
		close()
		if err != nil {
			continue
		}
		sheet, err := live.Parse(b)
		if errors.Is(err, live.ErrNone) {
			continue
		}
		if err != nil {
			return Medium{}, fmt.Errorf("ISO on %s: %w", d.Name, err)
		}
		if sheet.Board == board {
			return Medium{d, sheet}, nil
		}
	}
	return Medium{}, ErrNone
}

// Slot returns the piece that both slots of a disk are made of.
func (m Medium) Slot() (live.Piece, bool) {
	i := slices.IndexFunc(m.Sheet.Pieces, func(p live.Piece) bool { return len(p.To) == 2 })
	if i < 0 {
		return live.Piece{}, false
	}
	return m.Sheet.Pieces[i], true
}

// Targets returns the disks that the medium may be installed on.
func (m Medium) Targets(disks []Disk) []Disk {
	return slices.DeleteFunc(slices.Clone(disks), func(d Disk) bool {
		return d.Name == m.Disk.Name || d.Removable || d.ReadOnly || d.Size < m.Sheet.Size
	})
}

// step is how much is written at once.
const step = 1 << 20

// Installed reports whether disk has the medium's partition table already, but for
// its GUIDs.
func (m Medium) Installed(medium, disk io.ReaderAt) bool {
	want, got := make([]byte, headSize), make([]byte, headSize)
	if err := m.read(medium, want, 0); err != nil {
		return false
	}
	if _, err := disk.ReadAt(got, 0); err != nil {
		return false
	}
	return bytes.Equal(withoutGUIDs(want), withoutGUIDs(got))
}

// Write makes disk what the sheet says, with GUIDs of its own, and checks it. say
// hears of the progress, in percent.
func (m Medium) Write(ctx context.Context, medium io.ReaderAt, disk Device, say func(what string, percent int)) error {
	table, err := m.ends(medium)
	if err != nil {
		return fmt.Errorf("reading ISO: %w", err)
	}
	own, err := table.own()
	if err != nil {
		return fmt.Errorf("reading ISO: %w", err)
	}
	b := make([]byte, step)
	starts := make([]int64, 0, m.Sheet.Size/step+1)
	for at := int64(step); at < m.Sheet.Size; at += step {
		starts = append(starts, at)
	}
	starts = append(starts, 0)
	if _, err := disk.WriteAt(make([]byte, step), 0); err != nil {
		return fmt.Errorf("clearing partition table: %w", err)
	}
	for i, at := range starts {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if at == 0 {
			if err := disk.Sync(); err != nil {
				return fmt.Errorf("writing: %w", err)
			}
		}
		n := min(step, m.Sheet.Size-at)
		if err := m.read(medium, b[:n], at); err != nil {
			return fmt.Errorf("reading ISO: %w", err)
		}
		own.put(b[:n], at)
		if _, err := disk.WriteAt(b[:n], at); err != nil {
			return fmt.Errorf("writing: %w", err)
		}
		say("written", 100*(i+1)/len(starts))
	}
	if err := disk.Sync(); err != nil {
		return fmt.Errorf("writing: %w", err)
	}
	return m.verify(disk, b, table, own, say)
}

// ends returns the ends of the disk that the sheet describes.
func (m Medium) ends(medium io.ReaderAt) (ends, error) {
	if m.Sheet.Size < headSize+tailSize {
		return ends{}, fmt.Errorf("a disk of %d bytes", m.Sheet.Size)
	}
	e := ends{make([]byte, headSize), make([]byte, tailSize), m.Sheet.Size}
	err := m.read(medium, e.head, 0)
	if err == nil {
		err = m.read(medium, e.tail, e.size-tailSize)
	}
	return e, err
}

// verify reads the disk back. Its hash is that of the sheet with the table that
// the sheet's disk has, in place of the disk's own.
func (m Medium) verify(disk io.ReaderAt, b []byte, table, own ends, say func(what string, percent int)) error {
	h := sha256.New()
	want := make([]byte, step)
	for at := int64(0); at < m.Sheet.Size; at += step {
		n := min(step, m.Sheet.Size-at)
		if _, err := disk.ReadAt(b[:n], at); err != nil {
			return fmt.Errorf("reading back: %w", err)
		}
		copy(want, b[:n])
		own.put(want[:n], at)
		if !bytes.Equal(want[:n], b[:n]) {
			return errors.New("reading back: the partition table is another")
		}
		table.put(b[:n], at)
		h.Write(b[:n])
		say("checked", int(100*(at+n)/m.Sheet.Size))
	}
	if got := live.Hash(h.Sum(nil)); got != m.Sheet.SHA256 {
		return fmt.Errorf("reading back: SHA-256 %x, want %x", got, m.Sheet.SHA256)
	}
	return nil
}

// read fills b with what belongs at a place of the disk.
func (m Medium) read(medium io.ReaderAt, b []byte, at int64) error {
	clear(b)
	for _, p := range m.Sheet.Pieces {
		for _, to := range p.To {
			from, end := max(at, to), min(at+int64(len(b)), to+p.Size)
			if from >= end {
				continue
			}
			if _, err := medium.ReadAt(b[from-at:end-at], p.From+from-to); err != nil {
				return err
			}
		}
	}
	return nil
}
