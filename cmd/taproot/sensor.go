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

	"github.com/taproot-sensor/taproot/firmware"
	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/internal/durable"
	"github.com/taproot-sensor/taproot/provisioning"
	"github.com/taproot-sensor/taproot/wire/enrol"
)

var cmdSensor = command{"sensor", "run the sensor on this host, or on a capture file", runSensor}

func runSensor(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := newFlags("sensor", "-i INTERFACE|--read FILE --site FILE [FLAGS]", `  taproot sensor -i eth1 --site site.toml
  taproot sensor -i eth1 --site site.toml --key /var/lib/taproot/sensor.key
  taproot sensor --read capture.pcap --site site.toml
`, stdout)
	port := flags.String("i", "", "`interface` to capture from (Linux; needs root or CAP_NET_RAW)")
	file := flags.String("read", "", "pcap or pcapng `file` to read instead")
	siteFile := flags.String("site", "", "site `file`, which names the collector and its keys")
	keyFile := flags.String("key", "", "`file` that keeps who this sensor is; made if missing (default: a new sensor each time)")
	verbose := flags.Bool("v", false, "log what is dropped, and why")
	if err := parse(flags, args, 0); err != nil {
		return err
	}
	switch {
	case (*port == "") == (*file == ""):
		return errors.New("sensor: want one of -i INTERFACE and --read FILE")
	case *siteFile == "":
		return errors.New("sensor: want --site FILE; \"taproot collector\" writes one beside its data")
	}
	s, err := provisioning.LoadSite(*siteFile)
	if err != nil {
		return err
	}
	identity, err := sensorKey(*keyFile)
	if err != nil {
		return err
	}
	source, err := openSource(*port, *file)
	if err != nil {
		return err
	}
	defer source.Close()
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	host, _ := os.Hostname() // only a claim
	return firmware.Run(ctx, firmware.Config{
		Source: source, Site: s, Identity: identity,
		Claims: enrol.Claims{"board": "host", "host": claimText(host), "arch": runtime.GOARCH, "source": claimText(*port + *file)},
		Log:    slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})),
		Say:    func(line string) { fmt.Fprintf(stderr, "taproot: %s\n", line) },
	})
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
