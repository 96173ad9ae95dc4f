package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/frametest"
)

// A set is a capture file that all programs read.
type set struct {
	name   string
	path   string
	frames int
	bytes  int64 // captured
	live   bool  // frames bear the times at which they were sent
}

const (
	ethernet = 1     // LINKTYPE_ETHERNET
	snapLen  = 65535 // what the peers take
)

// realCaptures is where captures of other projects may be, from the root of
// the checkout.
const realCaptures = "../shared/pcaps"

// makeSets makes the sets in dir, but for those that are there.
func makeSets(dir string, say io.Writer) (sets []set, err error) {
	for _, m := range []struct {
		name string
		make func(path string) error
	}{
		{"small64", makeSmall}, {"mixed", makeMixed}, {"web", makeWeb},
	} {
		s := set{name: m.name, path: filepath.Join(dir, m.name+".pcap"), live: m.name == "web"}
		if _, err := os.Stat(s.path); errors.Is(err, fs.ErrNotExist) {
			fmt.Fprintf(say, "making %s\n", s.name)
			if err := m.make(s.path); err != nil {
				os.Remove(s.path)
				fmt.Fprintf(say, "without %s: %v\n", s.name, err)
				continue
			}
		}
		err := eachFrame(s.path, func(f *capture.Frame) error {
			s.frames++
			s.bytes += int64(len(f.Data))
			return nil
		})
		if err != nil {
			return nil, err
		}
		if s.frames == 0 {
			return nil, fmt.Errorf("%s has no frames", s.path)
		}
		sets = append(sets, s)
	}
	if len(sets) == 0 {
		return nil, errors.New("no set could be made")
	}
	return sets, nil
}

// pcapFile writes a capture file.
type pcapFile struct {
	f *os.File
	w *bufio.Writer
}

func createPcap(path string) (*pcapFile, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	p := &pcapFile{f, bufio.NewWriterSize(f, 1<<20)}
	head := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	head = binary.LittleEndian.AppendUint32(head, 2|4<<16)
	head = append(head, make([]byte, 8)...)
	head = binary.LittleEndian.AppendUint32(head, snapLen)
	head = binary.LittleEndian.AppendUint32(head, ethernet)
	p.w.Write(head) // close has the error
	return p, nil
}

func (p *pcapFile) write(ns int64, data []byte, wire uint32) {
	var head [16]byte
	binary.LittleEndian.PutUint32(head[0:], uint32(ns/1e9))
	binary.LittleEndian.PutUint32(head[4:], uint32(ns%1e9/1e3))
	binary.LittleEndian.PutUint32(head[8:], uint32(len(data)))
	binary.LittleEndian.PutUint32(head[12:], wire)
	p.w.Write(head[:])
	p.w.Write(data)
}

func (p *pcapFile) close() error { return errors.Join(p.w.Flush(), p.f.Close()) }

// began is when the sets begin.
var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()

// makeSmall makes 1.5 million frames of 64 bytes, the checksum that captures
// leave out included, of 50 000 UDP flows in random order.
func makeSmall(path string) error {
	const flows, frames = 50_000, 1_500_000
	rng := rand.New(rand.NewPCG(1, 2))
	packets := make([][]byte, flows)
	for i := range packets {
		addr := func(net byte) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, net, byte(rng.Uint32()), byte(rng.Uint32())}), uint16(1024+rng.IntN(60000)))
		}
		packets[i] = frametest.Packet{Src: addr(1), Dst: addr(2), Proto: frametest.UDP, TTL: 64, Payload: make([]byte, 18)}.Ethernet()
	}
	p, err := createPcap(path)
	if err != nil {
		return err
	}
	for i := range frames {
		data := packets[rng.IntN(flows)]
		p.write(began+int64(i)*1000, data, uint32(len(data)))
	}
	return p.close()
}

// makeMixed puts the Ethernet frames of all real captures behind each other,
// again and again until they are enough that starting a program does not count.
func makeMixed(path string) error {
	const enough = 500_000
	if _, err := os.Stat(realCaptures); err != nil {
		return fmt.Errorf("no real captures: %w", err)
	}
	p, err := createPcap(path)
	if err != nil {
		return err
	}
	m := mix{out: p, now: began}
	for before := -1; err == nil && m.frames < enough && m.frames > before; {
		before = m.frames
		m.now += int64(time.Hour) // longer than any flow waits
		err = filepath.WalkDir(realCaptures, func(file string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				m.add(file)
			}
			return err
		})
	}
	return errors.Join(err, p.close())
}

// mix is a set under way.
type mix struct {
	out    *pcapFile
	now    int64
	frames int
}

// add appends what is Ethernet of a capture, a second behind what was before.
// The time between frames is bounded: a program that works by the clock would
// see years. What is no capture, or is damaged, ends there: some are by intent.
func (m *mix) add(file string) {
	m.now += int64(time.Second)
	last := int64(0)
	_ = eachFrame(file, func(f *capture.Frame) error {
		if f.LinkType != ethernet || len(f.Data) > snapLen || len(f.Data) == 0 {
			return nil
		}
		if last != 0 {
			m.now += min(max(0, f.Time-last), int64(time.Second))
		}
		last = f.Time
		m.out.write(m.now, f.Data, max(f.WireLen, uint32(len(f.Data))))
		m.frames++
		return nil
	})
}

// makeWeb records real clients and servers; see the script.
func makeWeb(path string) error {
	cmd := exec.Command("scripts/make-web", path)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// eachFrame calls do with each frame of a capture file.
func eachFrame(path string, do func(f *capture.Frame) error) error {
	src, err := capture.OpenFile(path)
	if err != nil {
		return err
	}
	defer src.Close()
	var frames [64]capture.Frame
	for {
		n, err := src.NextBatch(frames[:])
		for i := range frames[:n] {
			if err := do(&frames[i]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
