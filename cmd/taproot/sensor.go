package main

import (
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
	"strings"

	"github.com/taproot-sensor/taproot/cmd/taproot/internal/zeek"
	"github.com/taproot-sensor/taproot/firmware"
	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/meter"
	"github.com/taproot-sensor/taproot/firmware/uplink/carrier"
	"github.com/taproot-sensor/taproot/internal/durable"
	"github.com/taproot-sensor/taproot/provisioning"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/record"
)

var cmdSensor = command{"sensor", "run the sensor on this host, or on a capture file", runSensor}

func runSensor(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := newFlags("sensor", "-i INTERFACE|--read FILE [--site FILE | [-o FILE] [--parquet DIR] [--zeek DIR]] [FLAGS]", `  taproot sensor -i eth1 --site site.toml
  taproot sensor -i eth1 --site site.toml --key /var/lib/taproot/sensor.key
  taproot sensor --read capture.pcap --site site.toml

Without --site no collector is needed: records go to stdout, one JSON object per line, or where you say.

  taproot sensor --read capture.pcap
  taproot sensor --read capture.pcap --kind dns | jq -r .name
  taproot sensor --read capture.pcap -o records.ndjson --parquet lake
  taproot sensor --read capture.pcap --zeek logs         conn.log, dns.log, ssl.log, … as "zeek -r" writes them
  taproot sensor -i eth1 --zeek logs
`, stdout)
	var o sensorFlags
	flags.StringVar(&o.port, "i", "", "`interface` to capture from (Linux; needs root or CAP_NET_RAW)")
	flags.StringVar(&o.file, "read", "", "pcap or pcapng `file` to read instead")
	flags.StringVar(&o.site, "site", "", "site `file`, which names the collector to send to and its keys")
	flags.StringVar(&o.key, "key", "", "`file` that keeps who this sensor is; made if missing (default: a new sensor each time)")
	flags.StringVar(&o.device, "device-key", "", "`file` of mode 0600 with a name and hex digits, to be shown to dtls:// in place of a certificate")
	flags.StringVar(&o.out, "o", "", "`file` for the records, one JSON object per line; - is stdout (default: stdout, unless they go elsewhere)")
	flags.StringVar(&o.kind, "kind", "", "only records of `KIND` as JSON: flow, dns, tls, …")
	flags.StringVar(&o.parquet, "parquet", "", "empty or new `DIR` for Parquet files, laid out as in a collector's lake")
	flags.StringVar(&o.zeek, "zeek", "", "`DIR` for logs in the format of Zeek: conn.log, dns.log, ssl.log, http.log, …")
	flags.BoolVar(&o.flowsOnly, "flows-only", false, "meter flows, and do not look at what is in them")
	flags.BoolVar(&o.layers, "layers", false, "also a record of kind layer for each header of each packet")
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
	source, err := openSource(o.port, o.file)
	if err != nil {
		return err
	}
	defer source.Close()
	if o.site == "" {
		writers, err := o.open(stdout, log)
		if err != nil {
			return err
		}
		return meterTo(ctx, meter.Config{Source: source, FlowsOnly: o.flowsOnly, Layers: o.layers}, writers)
	}
	s, err := provisioning.LoadSite(o.site)
	if err != nil {
		return err
	}
	identity, err := sensorKey(o.key)
	if err != nil {
		return err
	}
	host, _ := os.Hostname() // only a claim
	credentials, err := o.credentials(identity)
	if err != nil {
		return err
	}
	return firmware.Run(ctx, firmware.Config{
		Source: source, Site: s, Identity: identity, Credentials: credentials,
		Claims: enrol.Claims{"board": "host", "host": claimText(host), "arch": runtime.GOARCH, "source": claimText(o.port + o.file)},
		Log:    log,
		Say:    func(line string) { fmt.Fprintf(stderr, "taproot: %s\n", line) },
	})
}

// sensorFlags are what was said at the prompt.
type sensorFlags struct {
	port, file                 string
	site, key, device          string
	out, kind                  string
	parquet, zeek              string
	flowsOnly, layers, verbose bool
}

// check refuses what cannot be done.
func (o *sensorFlags) check() error {
	local := o.out != "" || o.parquet != "" || o.zeek != ""
	switch {
	case (o.port == "") == (o.file == ""):
		return errors.New("want one of -i INTERFACE and --read FILE")
	case o.site != "" && (local || o.kind != ""):
		return errors.New("--site sends all records to its collector; -o, --kind, --parquet and --zeek are for a sensor without one")
	case o.site != "" && (o.flowsOnly || o.layers):
		return errors.New("--flows-only and --layers are for a sensor without --site")
	case o.site == "" && o.device != "":
		return errors.New("--device-key is for a collector; it needs --site FILE")
	case o.site == "" && o.key != "":
		return errors.New("--key says who the sensor is to a collector; it needs --site FILE")
	case o.flowsOnly && o.layers:
		return errors.New("--flows-only and --layers exclude each other")
	case o.kind != "" && o.out == "" && local:
		return errors.New("--kind chooses among JSON records; with --parquet or --zeek it needs -o FILE (- for stdout)")
	case o.kind != "" && record.Lookup(o.kind) == nil:
		var kinds []string
		for _, def := range record.Kinds() {
			kinds = append(kinds, def.Kind)
		}
		return fmt.Errorf("no kind %q; there are %s", o.kind, strings.Join(kinds, ", "))
	case o.parquet != "" && o.parquet == o.zeek:
		return errors.New("--parquet and --zeek need directories of their own")
	}
	return nil
}

// open opens where the records go.
func (o *sensorFlags) open(stdout io.Writer, log *slog.Logger) (writers []recordWriter, err error) {
	if o.zeek != "" {
		if err := os.MkdirAll(o.zeek, 0o755); err != nil {
			return nil, fmt.Errorf("making Zeek logs: %w", err)
		}
		writers = append(writers, zeekRecords{zeek.New(o.zeek, o.port+o.file)})
	}
	switch {
	case o.out == "-" || len(writers) == 0 && o.out == "" && o.parquet == "":
		writers = append(writers, &jsonRecords{w: stdout, kind: o.kind})
	case o.out != "":
		f, err := os.Create(o.out)
		if err != nil {
			return nil, err
		}
		writers = append(writers, &jsonRecords{w: f, kind: o.kind, file: f})
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

func openSource(port, file string) (capture.Source, error) {
	if file != "" {
		return capture.OpenFile(file)
	}
	return capture.OpenRing(port, capture.RingOptions{})
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
