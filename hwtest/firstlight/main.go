// Command firstlight is "make run": it shows one real sensor, end to end.
//
// It builds an image, starts a collector, boots the image under UEFI in QEMU,
// plays captures at the sensor's tap port in a loop, and shows what arrives.
// The image, the collector and the command line are those that people use;
// only the board is emulated, and the operator is this program.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/hwtest/rig"
)

const boardName = "qemu-x86-64"

// Bounds of what we wait for: five times what two idle cores need.
const (
	bootTimeout = 2 * time.Minute
	stopTimeout = 30 * time.Second
)

// watchFor is how long records are watched before the questions are asked.
const watchFor = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(os.Stderr, "firstlight: %v\n", err)
		os.Exit(1)
	}
}

// show is one first light.
type show struct {
	screen    *screen
	tools     rig.Tools
	traffic   []string // capture files
	frames    int      // in them
	collector *rig.Collector
	machine   *rig.Machine
	tally     tally
}

func run(ctx context.Context, args []string) (err error) {
	flags := flag.NewFlagSet("firstlight", flag.ContinueOnError)
	once := flags.Bool("once", false, "end after the answers")
	pcap := flags.String("pcap", "", "capture `file` to play instead of the project's own")
	data := flags.String("data", "taproot-data", "`directory` of the collector")
	bin := flags.String("bin", "bin", "`directory` with taproot and taproot-query")
	if err := flags.Parse(args); err != nil {
		return err
	}
	s := &show{screen: newScreen(os.Stdout), tools: rig.Tools{Taproot: filepath.Join(*bin, "taproot")}}
	if err := s.findTraffic(*pcap); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "firstlight-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	defer func() { err = errors.Join(err, s.end()) }()
	if err := s.prepare(ctx, *data, filepath.Join(dir, "image")); err != nil {
		return err
	}
	if err := s.boot(ctx, dir); err != nil {
		return err
	}
	if err := s.enrol(ctx); err != nil {
		return err
	}
	return s.watch(ctx, *once)
}

// project are the project's own captures, but for the canary's.
var project = []string{"http.pcap", "tls.pcapng", "dns.pcap", "dhcp.pcap", "lan.pcapng", "vlan.pcap"}

// findTraffic reads what is to be played, whole, so that a bad file is found
// before anything is started.
func (s *show) findTraffic(pcap string) error {
	if pcap != "" {
		s.traffic = []string{pcap}
	} else {
		for _, name := range project {
			s.traffic = append(s.traffic, filepath.Join("testdata", "captures", name))
		}
	}
	for _, path := range s.traffic {
		for _, err := range rig.Frames(path) {
			if err != nil {
				return err
			}
			s.frames++
		}
	}
	if s.frames == 0 {
		return fmt.Errorf("reading capture %q: no frames in it", pcap)
	}
	return nil
}

// prepare starts the collector and builds an image for its site.
func (s *show) prepare(ctx context.Context, data, image string) error {
	b, err := board.Lookup(boardName)
	if err != nil {
		return err
	}
	if err := rig.Missing(b); err != nil {
		return err
	}
	s.screen.title("taproot: first light")
	err = s.screen.step("starting the collector on "+data, func(*step) (err error) {
		if s.collector, err = rig.NewCollector(s.tools, data, nil); err != nil {
			return err
		}
		return s.collector.Start(ctx)
	})
	if err != nil {
		return err
	}
	return s.screen.step("building the image for "+boardName, func(now *step) error {
		return s.tools.Image(ctx, boardName, s.collector.Site(), "", image, now)
	})
}

// boot switches the board on and waits for its ports.
func (s *show) boot(ctx context.Context, dir string) error {
	b, err := board.Lookup(boardName)
	if err != nil {
		return err
	}
	return s.screen.step("booting it in QEMU (UEFI, no KVM)", func(now *step) error {
		now.say("waiting for its turn")
		if s.machine, err = rig.Start(ctx, rig.Config{Board: b, Image: filepath.Join(dir, "image"), Dir: dir}); err != nil {
			return err
		}
		for _, wait := range []struct{ pattern, what string }{
			{`taproot: init up`, "UEFI and kernel"},
			{`taproot: tap port \S+ open`, "ports"},
			{`taproot: uplink \S+ \S+`, "DHCP on the uplink"},
		} {
			now.say(wait.what)
			if _, err := s.expect(ctx, wait.pattern); err != nil {
				return err
			}
		}
		return nil
	})
}

// enrol does the operator's part: it compares the code on the sensor's console
// with the collector's list, and approves.
func (s *show) enrol(ctx context.Context) error {
	var code string
	err := s.screen.step("sensor seen", func(*step) (err error) {
		if code, err = s.expect(ctx, `taproot: enrolment code (\S+)`); err != nil {
			return err
		}
		_, err = s.expect(ctx, `taproot: waiting for approval`)
		return err
	})
	if err != nil {
		return err
	}
	s.screen.note("its console says %s; the collector's list of pending sensors", code)
	s.screen.note("must say the same. You would now type:")
	s.screen.note("  taproot sensors approve %s", code)
	return s.screen.step("code is in the list: approved for you", func(*step) error {
		if _, err := s.collector.Approve(ctx, code, "firstlight"); err != nil {
			return err
		}
		_, err := s.expect(ctx, `taproot: first batch acknowledged`)
		return err
	})
}

func (s *show) expect(ctx context.Context, pattern string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	m, _, err := s.machine.Console.Expect(ctx, pattern)
	if err != nil {
		return "", err
	}
	return m[len(m)-1], nil
}
