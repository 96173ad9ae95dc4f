package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	"github.com/taproot-sensor/taproot/collector"
)

var cmdCollector = command{"collector", "run the collector", runCollector}

func runCollector(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := newFlags("collector", "[FLAGS]", `  taproot collector
  taproot collector --data /var/lib/taproot --address collector.example:`+collector.DefaultPort+`
  taproot collector --listen 192.0.2.1:`+collector.DefaultPort+` --address 192.0.2.1:`+collector.DefaultPort+`

The first start makes the site's keys and DIR/site.toml, which images and sensors need.
`, stdout)
	data := dataFlag(flags)
	listen := flags.String("listen", ":"+collector.DefaultPort, "UDP `address` to listen on for sensors")
	name := flags.String("name", "taproot", "`name` of the site, for a new site.toml")
	verbose := flags.Bool("v", false, "log more")
	var addresses []string
	flags.Func("address", "`host:port` that sensors dial, for site.toml; may be repeated (default: those in site.toml, else this machine's)", func(s string) error {
		addresses = append(addresses, s)
		return nil
	})
	if err := parse(flags, args, 0); err != nil {
		return err
	}
	level := slog.LevelInfo
	if *verbose {
		level = slog.LevelDebug
	}
	return collector.Run(ctx, collector.Config{
		Data: *data, Listen: *listen, Addresses: addresses, Name: *name,
		Log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})),
		Say: func(format string, args ...any) { fmt.Fprintf(stdout, format+"\n", args...) },
	})
}
