package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/taproot-sensor/taproot/cmd/taproot/internal/swarm"
	"github.com/taproot-sensor/taproot/collector/control"
	"github.com/taproot-sensor/taproot/provisioning"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/enrol"
)

var cmdBench = command{"bench", "measure a collector with a fleet of sensors in one process", runBench}

// preparedBatches is how many different batches a fleet sends over and over.
const preparedBatches = 128

// benchFlags are what bench fleet is told.
type benchFlags struct {
	sensors, records, underWay int
	rate                       float64
	length                     time.Duration
	codec                      string
	collector, data            string
	asJSON                     bool
}

func runBench(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := newFlags("bench fleet", "[FLAGS]", `  taproot bench fleet --sensors 10000
  taproot bench fleet --sensors 100 --codec none --for 1m      batches as they are: more bytes for each record
  taproot bench fleet --rate 20000 --collector 192.0.2.1:7755 --data /var/lib/taproot

A collector is started in a process of its own, on a new data directory that is removed at the end, unless --data names that of one
that runs: then the fleet joins that, is approved there by itself, and STAYS in its registry with all it has sent. Do that to no
collector that is of use. Ctrl-C ends early, with the numbers so far.
`, stdout)
	var f benchFlags
	fs.IntVar(&f.sensors, "sensors", 10000, "`number` of sensors")
	fs.IntVar(&f.records, "records", 500, "flow records in a batch")
	fs.IntVar(&f.underWay, "under-way", 256, "`number` of batches that wait for their ACK at most, of all sensors")
	fs.Float64Var(&f.rate, "rate", 0, "datagrams per `second` of all sensors; 0 for as many as the collector acknowledges")
	fs.DurationVar(&f.length, "for", 30*time.Second, "how `long` to send, once all sensors have joined")
	fs.StringVar(&f.codec, "codec", "zstd", "how batches are compressed: zstd, as sensors do, or none")
	fs.StringVar(&f.collector, "collector", "", "`host:port` of a collector that runs (needs --data)")
	fs.StringVar(&f.data, "data", "", "data directory `DIR` of a collector that runs here")
	fs.BoolVar(&f.asJSON, "json", false, "print JSON")
	if len(args) == 0 || args[0] != "fleet" && !strings.HasPrefix(args[0], "-") {
		return fmt.Errorf("bench: say what to measure: fleet; \"taproot bench --help\" has examples")
	}
	if args[0] == "fleet" {
		args = args[1:]
	}
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	switch {
	case f.sensors < 1 || f.underWay < 1 || f.length <= 0 || f.rate < 0:
		return hint(fs, errors.New("--sensors, --under-way and --for must be more than 0, --rate not less"))
	case (f.collector == "") != (f.data == ""):
		return hint(fs, errors.New("--collector and --data go together"))
	}
	r, err := benchFleet(ctx, &f, stderr)
	if err != nil {
		return err
	}
	if f.asJSON {
		return writeJSON(stdout, r)
	}
	return r.print(stdout)
}

// benchFleet measures and returns what it found, also if ctx ends early.
func benchFleet(ctx context.Context, f *benchFlags, stderr io.Writer) (*benchReport, error) {
	codec, ok := map[string]batch.Codec{"zstd": batch.Zstd, "none": batch.None}[f.codec]
	if !ok {
		return nil, fmt.Errorf("bench: codec %q: say zstd or none", f.codec)
	}
	batches, err := swarm.FlowBatches(preparedBatches, f.records, codec, 1, time.Now())
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	if f.data == "" {
		end, err := startBenchCollector(f, stderr)
		if err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		defer end()
	}
	b := &bench{flags: f, client: control.NewClient(f.data), stderr: stderr}
	if b.pid, err = controlPID(f.data); err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	site, err := provisioning.LoadSite(filepath.Join(f.data, "site.toml"))
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	addr, err := net.ResolveUDPAddr("udp", f.collector)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	to := netip.AddrPortFrom(addr.AddrPort().Addr().Unmap(), uint16(addr.Port))
	b.swarm, err = swarm.Open(swarm.Config{
		Site: site, Collector: to, Sensors: f.sensors, UnderWay: f.underWay, Rate: f.rate, Batches: batches,
		Approve: func(ctx context.Context, id enrol.Identity) error {
			_, err := b.client.Approve(ctx, fmt.Sprintf("%x", id[:]), "bench")
			return err
		},
	})
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer b.swarm.Close()
	return b.run(ctx)
}

// startBenchCollector starts a collector and puts where it is into f. end stops
// it and removes its data.
func startBenchCollector(f *benchFlags, stderr io.Writer) (end func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "taproot-bench") // short: a socket goes there
	if err != nil {
		return nil, err
	}
	free, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	f.collector, f.data = free.LocalAddr().String(), filepath.Join(dir, "data")
	free.Close()
	cmd := exec.Command(self, "collector", "--data", f.data, "--listen", f.collector, "--address", f.collector, "--sensor-max", "0")
	cmd.Stderr = stderr
	cmd.SysProcAttr = benchProcAttr() // Ctrl-C at the prompt is for this process, which then ends the other
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	end = func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-exited:
		case <-time.After(time.Minute):
			cmd.Process.Kill()
			<-exited
		}
		os.RemoveAll(dir)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, err := control.NewClient(f.data).Status(context.Background())
		if err == nil {
			return end, nil
		}
		select {
		case err := <-exited:
			exited <- err
			end()
			return nil, fmt.Errorf("the collector ended: %v", err)
		default:
		}
		if time.Now().After(deadline) {
			end()
			return nil, fmt.Errorf("the collector does not answer: %w", err)
		}
	}
}

// bench is a measurement under way.
type bench struct {
	flags  *benchFlags
	client *control.Client
	swarm  *swarm.Swarm
	stderr io.Writer
	pid    int // of the collector
}

// sample is the state of everything at one moment.
type sample struct {
	at       time.Time
	counts   swarm.Counts
	counters map[string]uint64 // the collector's
	usage    processUse        // the collector's
	own      processUse
}

func (b *bench) sample(ctx context.Context) (s sample, err error) {
	status, err := b.client.Status(ctx)
	if err != nil {
		return s, fmt.Errorf("asking the collector for its counters: %w", err)
	}
	s = sample{at: time.Now(), counts: b.swarm.Counts(), counters: status.Counters}
	if s.usage, err = usedBy(b.pid); err != nil {
		return s, err
	}
	s.own, err = usedBy(os.Getpid())
	return s, err
}

// run has the fleet join and send, and says how it goes every second.
func (b *bench) run(ctx context.Context) (*benchReport, error) {
	still := context.WithoutCancel(ctx)
	before, err := b.sample(still)
	if err != nil {
		return nil, err
	}
	receiving, stop := context.WithCancel(still)
	received := make(chan struct{})
	go func() {
		defer close(received)
		b.swarm.Receive(receiving)
	}()
	defer func() {
		stop()
		<-received
	}()
	joined := make(chan error, 1)
	go func() { joined <- b.swarm.Join(ctx) }()
	if err := b.watch(joined, func() {
		fmt.Fprintf(b.stderr, "%d of %d sensors have joined\n", b.swarm.Counts().Joined, b.flags.sensors)
	}); err != nil {
		return nil, fmt.Errorf("joining: %w", err)
	}
	first, err := b.sample(still)
	if err != nil {
		return nil, err
	}
	sending, done := context.WithTimeout(ctx, b.flags.length)
	defer done()
	sent := make(chan error, 1)
	go func() {
		b.swarm.Send(sending)
		sent <- nil
	}()
	last, half := first, first
	b.watch(sent, func() {
		now, err := b.sample(still)
		if err != nil {
			fmt.Fprintf(b.stderr, "%v\n", err)
			return
		}
		fmt.Fprintf(b.stderr, "%3.0f s  %s\n", now.at.Sub(first.at).Seconds(), reportOf(b.flags.sensors, &last, &now).line())
		if last = now; now.at.Sub(first.at) <= b.flags.length/2 {
			half = now
		}
	})
	end, err := b.sample(still)
	if err != nil {
		return nil, err
	}
	r := reportOf(b.flags.sensors, &first, &end)
	r.HalfRSS = half.usage.rss
	r.JoinSeconds = first.at.Sub(before.at).Seconds()
	return r, nil
}

// watch calls say every second until something comes from done.
func (b *bench) watch(done <-chan error, say func()) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			say()
		}
	}
}
