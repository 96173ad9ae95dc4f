package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/taproot-sensor/taproot/collector/control"
)

// startTimeout bounds a collector's start, its journal's recovery included.
const startTimeout = 30 * time.Second

// A Collector is the real program as a child process, on the host's loopback.
type Collector struct {
	*control.Client
	Data string   // its data directory
	Said *Console // what it says, of the last start

	program string
	where   []string // flags: where it listens, and what its site file says of that
	log     io.Writer
	cmd     *exec.Cmd
	exited  chan struct{}
	err     error // valid once exited is closed
}

// NewCollector returns a collector on the data directory that Start will run;
// what it says and logs goes to log too, which may be nil. Its site file names
// UplinkHost, so that an image made with it finds the collector.
func NewCollector(tools Tools, data string, log io.Writer) (*Collector, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("finding a port for the collector: %w", err)
	}
	defer conn.Close()
	port := conn.LocalAddr().(*net.UDPAddr).Port
	return &Collector{
		Client: control.NewClient(data), Data: data, program: tools.Taproot, log: log,
		where: []string{"--listen", fmt.Sprintf("127.0.0.1:%d", port), "--address", fmt.Sprintf("%s:%d", UplinkHost, port)},
	}, nil
}

// NewCollectorOf returns a collector with the keys and the site file of another,
// whose data directory is from, and with nothing that other has stored.
func NewCollectorOf(tools Tools, from, data, listen string, log io.Writer) (*Collector, error) {
	c := &Collector{Client: control.NewClient(data), Data: data, program: tools.Taproot, log: log, where: []string{"--listen", listen}}
	if err := copyKeys(filepath.Join(data, "keys"), filepath.Join(from, "keys")); err != nil {
		return nil, fmt.Errorf("taking over the keys of the collector in %s: %w", from, err)
	}
	if err := copyFile(c.Site(), filepath.Join(from, "site.toml")); err != nil {
		return nil, fmt.Errorf("taking over the site of the collector in %s: %w", from, err)
	}
	return c, nil
}

// copyKeys copies private keys: nobody else may read the copies.
func copyKeys(to, from string) error {
	files, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for _, f := range files {
		key, err := os.ReadFile(filepath.Join(from, f.Name()))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, f.Name()), key, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Site returns the path of the site file; it is there after the first Start.
func (c *Collector) Site() string { return filepath.Join(c.Data, "site.toml") }

// Start runs the collector until Stop or Kill, and returns when it listens.
func (c *Collector) Start(ctx context.Context) error {
	c.cmd = exec.Command(c.program, append([]string{"collector", "--data", c.Data, "--name", "lab", "--ask", "3s"}, c.where...)...)
	c.cmd.SysProcAttr = ownGroup
	out, in, err := os.Pipe()
	if err != nil {
		return err
	}
	c.cmd.Stdout, c.cmd.Stderr = in, in
	if err := c.cmd.Start(); err != nil {
		return fmt.Errorf("starting collector: %w", errors.Join(err, in.Close(), out.Close()))
	}
	in.Close()
	said, exited := newConsole(c.log), make(chan struct{})
	c.Said, c.exited = said, exited
	go func() {
		defer close(exited)
		defer out.Close()
		said.read(out)
		c.err = c.cmd.Wait()
		said.end(c.err)
	}()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if _, _, err := said.Expect(ctx, "listening for sensors"); err != nil {
		c.Kill()
		return fmt.Errorf("starting collector: %w", err)
	}
	return nil
}

// Stop asks the collector to end in good order and waits until it has.
func (c *Collector) Stop() error {
	c.cmd.Process.Signal(syscall.SIGTERM)
	<-c.exited
	if c.err != nil {
		return fmt.Errorf("stopping collector: %w%s", c.err, c.Said.tail())
	}
	return nil
}

// Kill ends the collector as a power cut would, and waits until it is gone.
func (c *Collector) Kill() {
	c.cmd.Process.Kill()
	<-c.exited
}
