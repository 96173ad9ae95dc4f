package main

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/taproot-sensor/taproot/cmd/taproot/internal/zeek"
	"github.com/taproot-sensor/taproot/firmware"
	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/meter"
	"github.com/taproot-sensor/taproot/firmware/uplink/carrier"
	"github.com/taproot-sensor/taproot/internal/bpf"
	"github.com/taproot-sensor/taproot/internal/durable"
	"github.com/taproot-sensor/taproot/provisioning"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/record"
)

var cmdSensor = command{"sensor", "run the sensor on this host, or on a capture file", runSensor}

func runSensor(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := newFlags("sensor", "-i PORT[,PORT]|--read FILE [--site FILE | [-o FILE] [--parquet DIR] [--zeek DIR]] [FLAGS]", `  taproot sensor -i eth1 --site site.toml
  taproot sensor -i eth1,eth2 --site site.toml           both directions of a tapped link
  taproot sensor -i eth1 --site site.toml --key /var/lib/taproot/sensor.key
  taproot sensor --read capture.pcap --site site.toml

Without --site no collector is needed: records go to stdout, one JSON object per line, or where you say.

  taproot sensor --read capture.pcap
  taproot sensor --read capture.pcap --kinds dns | jq -r .name
  taproot sensor --read capture.pcap --filter "host 192.0.2.7 and not port 22"
  taproot sensor --read capture.pcap -o records.ndjson --parquet lake
  taproot sensor --read capture.pcap --zeek logs         conn.log, dns.log, ssl.log, … as "zeek -r" writes them
  taproot sensor -i eth1 --zeek logs
`, stdout)
	var o sensorFlags
	flags.StringVar(&o.ports, "i", "", "`PORTS` to capture from, with commas between (Linux; needs root or CAP_NET_RAW)")
	flags.StringVar(&o.file, "read", "", "pcap or pcapng `file` to read instead; - is stdin")
	flags.StringVar(&o.filter, "filter", "", "only frames that `TEXT` takes, in tcpdump's language")
	flags.StringVar(&o.kinds, "kinds", "", "only records of `KINDS`, with commas between: flow, dns, …; \"default,layer\" adds one per header (default: the site's, or all but layer)")
	flags.IntVar(&o.shards, "shards", 0, "`NUMBER` of processors to use (default: all for ports, 1 for a file)")
	flags.StringVar(&o.site, "site", "", "site `file`, which names the collector to send to and its keys")
	flags.StringVar(&o.key, "key", "", "`file` that keeps who this sensor is; made if missing (default: a new sensor each time)")
	flags.StringVar(&o.device, "device-key", "", "`file` of mode 0600 with a name and hex digits, to be shown to dtls:// in place of a certificate")
	flags.StringVar(&o.out, "o", "", "`file` for the records, one JSON object per line; - is stdout (default: stdout, unless they go elsewhere)")
	flags.StringVar(&o.parquet, "parquet", "", "empty or new `DIR` for Parquet files, laid out as in a collector's lake")
	flags.StringVar(&o.zeek, "zeek", "", "`DIR` for logs in the format of Zeek: conn.log, dns.log, ssl.log, http.log, …")
	flags.BoolVar(&o.flowsOnly, "flows-only", false, "meter flows, and do not look at what is in them")
	flags.BoolVar(&o.verbose, "v", false, "log what is dropped, and why")
	if err := parse(flags, args, 0); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return fmt.Errorf("sensor: %w", err)
	}
	level := slog.LevelInfo
	if o.verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	host, _ := os.Hostname() // only a claim
	cfg := firmware.Config{
		Claims: enrol.Claims{"board": "host", "host": claimText(host), "arch": runtime.GOARCH, "source": claimText(o.ports + o.file)},
		Log:    log,
		Say:    func(line string) { fmt.Fprintf(stderr, "taproot: %s\n", line) },
	}
	var err error
	if o.site != "" {
		if cfg.Site, err = provisioning.LoadSite(o.site); err != nil {
			return err
		}
	}
	if cfg.Meter, err = o.meter(cfg.Site.Kinds); err != nil {
		return fmt.Errorf("sensor: %w", err)
	}
	if cfg.Sources, err = o.open(cfg.Site.Program); err != nil {
		return err
	}
	for _, src := range cfg.Sources {
		defer src.Close()
	}
	if o.site == "" {
		writers, err := o.writers(stdout, log)
		if err != nil {
			return err
		}
		return meterTo(ctx, cfg.Meter, cfg.Sources, writers)
	}
	if cfg.Identity, err = sensorKey(o.key); err != nil {
		return err
	}
	if cfg.Credentials, err = o.credentials(cfg.Identity); err != nil {
		return err
	}
	return firmware.Run(ctx, cfg)
}

// sensorFlags are what was said at the prompt.
type sensorFlags struct {
	ports, file, filter string
	kinds               string
	shards              int
	site, key, device   string
	out, parquet, zeek  string
	flowsOnly, verbose  bool
}

// check refuses what cannot be done.
func (o *sensorFlags) check() error {
	switch {
	case (o.ports == "") == (o.file == ""):
		return errors.New("want one of -i PORTS and --read FILE")
	case o.site != "" && (o.out != "" || o.parquet != "" || o.zeek != ""):
		return errors.New("--site sends all records to its collector; -o, --parquet and --zeek are for a sensor without one")
	case o.site == "" && o.device != "":
		return errors.New("--device-key is for a collector; it needs --site FILE")
	case o.site == "" && o.key != "":
		return errors.New("--key says who the sensor is to a collector; it needs --site FILE")
	case o.flowsOnly && o.kinds != "":
		return errors.New("--flows-only and --kinds exclude each other")
	case o.shards < 0 || o.shards > maxShards:
		return fmt.Errorf("--shards %d: want 1 to %d", o.shards, maxShards)
	case o.shards > 1 && o.file == "-":
		return errors.New("--shards: each reads the file, and stdin can be read once")
	case o.parquet != "" && o.parquet == o.zeek:
		return errors.New("--parquet and --zeek need directories of their own")
	}
	return nil
}

// maxShards bounds what one program is split into.
const maxShards = 64

// meter returns how frames are metered. kinds are the site's.
func (o *sensorFlags) meter(kinds []string) (meter.Config, error) {
	cfg := meter.Config{Kinds: kinds, FlowsOnly: o.flowsOnly, Split: o.file != ""}
	if o.kinds != "" {
		cfg.Kinds = strings.Split(o.kinds, ",")
	}
	_, err := record.ParseKinds(cfg.Kinds)
	return cfg, err
}

// open opens where frames come from, for each shard. program is the site's.
func (o *sensorFlags) open(program bpf.Program) ([]capture.Source, error) {
	if o.filter != "" {
		var err error
		if program, err = bpf.Compile(o.filter); err != nil {
			return nil, err
		}
	}
	if o.file == "" {
		ports := strings.Split(o.ports, ",")
		// On an ordinary host half of the traffic is its own; on loopback each
		// frame would come twice.
		own := !slices.Contains(ports, "lo")
		return capture.OpenPorts(ports, cmp.Or(o.shards, runtime.NumCPU()), capture.RingOptions{Filter: program, Outgoing: own})
	}
	if o.file == "-" {
		src, err := capture.NewFile("stdin", os.Stdin)
		return []capture.Source{capture.Filtered(src, program)}, err
	}
	var sources []capture.Source
	for range max(o.shards, 1) {
		src, err := capture.OpenFile(o.file)
		if err != nil {
			for _, src := range sources {
				src.Close()
			}
			return nil, err
		}
		sources = append(sources, capture.Filtered(src, program))
	}
	return sources, nil
}

// writers opens where the records go.
func (o *sensorFlags) writers(stdout io.Writer, log *slog.Logger) (writers []recordWriter, err error) {
	if o.zeek != "" {
		if err := os.MkdirAll(o.zeek, 0o755); err != nil {
			return nil, fmt.Errorf("making Zeek logs: %w", err)
		}
		writers = append(writers, zeekRecords{zeek.New(o.zeek, o.ports+o.file)})
	}
	// Who asks for some kinds gets those, without the sensor's counters.
	quiet := o.kinds != "" && !slices.Contains(strings.Split(o.kinds, ","), record.SensorDef.Kind)
	switch {
	case o.out == "-" || len(writers) == 0 && o.out == "" && o.parquet == "":
		writers = append(writers, &jsonRecords{w: stdout, quiet: quiet})
	case o.out != "":
		f, err := os.Create(o.out)
		if err != nil {
			return nil, err
		}
		writers = append(writers, &jsonRecords{w: f, quiet: quiet, file: f})
	}
	if o.parquet != "" {
		p, err := openParquet(o.parquet, log)
		if err != nil {
			return nil, err
		}
		writers = append(writers, p)
	}
	return writers, nil
}

// claimText cuts what is claimed to what a claim may hold.
func claimText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[max(0, len(s)-enrol.MaxClaimText):]
}

// credentials are what the sensor shows to carriers.
func (o *sensorFlags) credentials(identity ed25519.PrivateKey) (*carrier.Credentials, error) {
	c, err := carrier.NewCredentials(identity)
	if err != nil || o.device == "" {
		return c, err
	}
	keys, err := provisioning.LoadDeviceKeys(o.device)
	if err != nil {
		return nil, err
	}
	if len(keys) != 1 {
		return nil, fmt.Errorf("reading device keys %s: %d keys, want that of this device alone", o.device, len(keys))
	}
	for c.Device, c.PSK = range keys {
	}
	return c, nil
}

// sensorKey reads the sensor's identity from path, or makes it; with no path it
// is new each time.
func sensorKey(path string) (ed25519.PrivateKey, error) {
	if path == "" {
		_, key, err := ed25519.GenerateKey(nil)
		return key, err
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		_, key, err := ed25519.GenerateKey(nil)
		if err == nil {
			err = durable.WriteFile(path, []byte(hex.EncodeToString(key.Seed())+"\n"), 0o600)
		}
		if err != nil {
			return nil, fmt.Errorf("making sensor key: %w", err)
		}
		return key, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading sensor key: %w", err)
	}
	seed, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("reading sensor key %s: not a key of %d hex digits", path, 2*ed25519.SeedSize)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}
