//go:build linux

package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/fetch"
	"github.com/taproot-sensor/taproot/firmware/jail"
	"github.com/taproot-sensor/taproot/firmware/meter"
	"github.com/taproot-sensor/taproot/firmware/spool"
	"github.com/taproot-sensor/taproot/firmware/update"
	"github.com/taproot-sensor/taproot/firmware/uplink"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/site"
)

// The users and roots of the stages.
const (
	meterUID   = 1001
	meterRoot  = "/run/empty"
	uplinkUID  = 1002
	uplinkRoot = "/run/uplink" // holds etc/resolv.conf and nothing else
)

// silence is how long a stage may say nothing: each beats once a second, and a
// busy host under TCG has kept one waiting for six.
const silence = 15 * time.Second

// grace is how long a stage has to end: longer than uplink.Run's own.
const grace = 8 * time.Second

// The descriptors that a stage is handed.
const (
	meterOut    = jail.FirstFD
	meterRing   = jail.FirstFD + 1 // the first of the rings, by port and shard
	uplinkIn    = jail.FirstFD
	uplinkFetch = jail.FirstFD + 1
)

// newStage describes a stage: a process with config on its standard input,
// namespaces of its own as unshare says, and the descriptors from files.
func (s *sensor) newStage(name string, config any, heap int, unshare uintptr, files func() ([]*os.File, error)) *jail.Stage {
	return &jail.Stage{
		Name: name, Silence: pace(silence), Grace: grace, Log: s.log,
		Command: func() (*exec.Cmd, error) {
			text, err := json.Marshal(config)
			if err != nil {
				return nil, err
			}
			cmd := &exec.Cmd{
				Path: "/proc/self/exe", Args: []string{name},
				Env:   []string{fmt.Sprintf("GOMEMLIMIT=%d", heap)},
				Stdin: strings.NewReader(string(text)), Stdout: console, Stderr: os.Stderr,
				SysProcAttr: &syscall.SysProcAttr{Cloneflags: unshare},
			}
			cmd.ExtraFiles, err = files()
			return cmd, err
		},
	}
}

// meterConfig is what meter is told.
type meterConfig struct {
	Ports     []string
	Shards    int
	Ring      capture.RingOptions // of all rings together
	Flows     int                 // of each shard
	Kinds     []string            // of records to send
	FirstFlow uint64              // flows are numbered from here on
}

// flowsPerStart is the distance between the flow numbers of a meter and of the
// one that is started after it: numbers are not used twice in a boot.
const flowsPerStart = 1 << 48

// meterStage returns the stage that reads frames.
func (s *sensor) meterStage() *jail.Stage {
	config := &meterConfig{
		Ports: s.taps, Shards: s.budget.Shards, Flows: s.budget.Flows / s.budget.Shards,
		Ring:  capture.RingOptions{Blocks: s.budget.Ring / capture.BlockSize, Filter: s.site.Program, LockFilter: true},
		Kinds: s.site.Kinds,
	}
	stage := s.newStage("meter", config, s.budget.Meter, jail.Unshared, func() ([]*os.File, error) {
		config.FirstFlow += flowsPerStart // for the next one: this one has been told
		batches, out, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		files := []*os.File{out}
		for _, port := range s.taps {
			sockets, err := capture.OpenSockets(port, config.Shards, config.Ring.Share(len(s.taps), config.Shards))
			if err != nil {
				for _, f := range append(files, batches) {
					f.Close()
				}
				return nil, err
			}
			files = append(files, sockets...)
		}
		s.copying.Go(func() {
			defer batches.Close()
			if err := s.relay.Copy(batches); err != nil {
				s.log.Error("batches of meter", "err", err)
			}
		})
		for _, port := range s.taps {
			say("tap port %s open", port)
		}
		s.trial.Show(update.Ring)
		s.signs.tapOpen.Store(true)
		return files, nil
	})
	stage.Expendable = true // it holds seconds of records, the uplink all that wait
	return stage
}

// runMeter is the process that looks at traffic.
func runMeter(ctx context.Context, _ *slog.Logger) error {
	supervisor := jail.Supervisor()
	if err := jail.Enter(jail.Cell{UID: meterUID, Root: meterRoot, MaxFiles: 64}); err != nil {
		return err
	}
	var c meterConfig
	if err := json.NewDecoder(os.Stdin).Decode(&c); err != nil {
		return fmt.Errorf("reading config: %w", err)
	}
	lookAround()
	out := os.NewFile(meterOut, "batches")
	var rings []*os.File
	var byPort [][]*os.File
	for _, port := range c.Ports {
		for range c.Shards {
			rings = append(rings, os.NewFile(uintptr(meterRing+len(rings)), port))
		}
		byPort = append(byPort, rings[len(rings)-c.Shards:])
	}
	sources, err := capture.SourcesFrom(byPort, c.Ring)
	if err != nil {
		return err
	}
	landlock, err := jail.ShutIn([]*os.File{out}, rings)
	if err != nil {
		return err
	}
	if landlock == 0 {
		say("meter: this kernel has no landlock, the system call filter is alone")
	}
	tryToEscape(landlock)
	return meter.RunShards(ctx, meter.Config{
		Out: out, Kinds: c.Kinds, FlowCapacity: c.Flows, FirstFlow: c.FirstFlow,
		Heartbeat: heartbeat(c.FirstFlow/flowsPerStart, supervisor.Beat),
	}, sources)
}

// uplinkConfig is what uplink is told.
type uplinkConfig struct {
	Site   site.Site
	Key    ed25519.PrivateKey
	Claims enrol.Claims
	Spool  int
}

// uplinkStage returns the stage that speaks to the collector.
func (s *sensor) uplinkStage() *jail.Stage {
	c := uplinkConfig{Site: s.site, Key: s.key, Claims: s.claims(), Spool: s.budget.Spool}
	stage := s.newStage("uplink", c, s.budget.Spool+s.budget.Meter, 0, func() ([]*os.File, error) {
		in, err := s.relay.Connect()
		if err != nil {
			return nil, err
		}
		orders, err := s.fetch.Connect()
		return []*os.File{in, orders}, err
	})
	stage.Clock = s.setClock
	stage.Stored = func() {
		s.trial.Show(update.Stored)
		s.signs.stored.now()
	}
	stage.Waiting = s.signs.waiting.now
	return stage
}

// claims is what the sensor says of itself, unproven.
func (s *sensor) claims() enrol.Claims {
	c := enrol.Claims{"board": s.image.Board, "release": s.image.Release, "kernel": s.image.Kernel}
	if port, err := net.InterfaceByName(s.board.Port(board.Uplink).Name); err == nil {
		c["mac"] = port.HardwareAddr.String()
	}
	return c
}

// runUplink is the process that speaks to the collector.
func runUplink(ctx context.Context, log *slog.Logger) error {
	supervisor := jail.Supervisor()
	if err := jail.Enter(jail.Cell{UID: uplinkUID, Root: uplinkRoot, MaxFiles: 64}); err != nil {
		return err
	}
	var c uplinkConfig
	if err := json.NewDecoder(os.Stdin).Decode(&c); err != nil {
		return fmt.Errorf("reading config: %w", err)
	}
	files := uplink.NewFiles()
	orders := os.NewFile(uplinkFetch, "fetch")
	go func() {
		if err := fetch.Serve(ctx, orders, &fetch.Either{HTTPS: fetch.NewHTTPS(c.Site), Session: files}); err != nil {
			log.Error("fetching updates", "err", err)
		}
	}()
	return uplink.Run(ctx, uplink.Config{
		Site: c.Site, Identity: c.Key, Claims: c.Claims, Spool: spool.New(c.Spool),
		In:        []io.ReadCloser{os.NewFile(uplinkIn, "batches")},
		Log:       log,
		Say:       func(line string) { say("%s", line) },
		Heartbeat: supervisor.Beat,
		Clock:     supervisor.Clock,
		Stored:    supervisor.Stored,
		Files:     files,
		Waiting:   supervisor.Waiting,
	})
}
