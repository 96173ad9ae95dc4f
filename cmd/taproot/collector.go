package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"

	"github.com/taproot-sensor/taproot/collector"
)

var cmdCollector = command{"collector", "run the collector", runCollector}

func runCollector(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := newFlags("collector", "[FLAGS]", `  taproot collector
  taproot collector --data /var/lib/taproot --address collector.example:`+collector.DefaultPort+`
  taproot collector --shared postgres://taproot@db.example/taproot   (one of several collectors of the site)
  taproot collector --listen 192.0.2.1:`+collector.DefaultPort+` --address 192.0.2.1:`+collector.DefaultPort+`

Where UDP does not get through, sensors try what else site.toml has, in its order:

  taproot collector --dtls :`+collector.DefaultDTLSPort+` --wss :`+collector.DefaultWSSPort+` --address collector.example:`+collector.DefaultPort+` \
    --address dtls://collector.example:`+collector.DefaultDTLSPort+` --address wss://collector.example

The first start makes the site's keys and DIR/site.toml, which images and sensors need.
`, stdout)
	data := dataFlag(flags)
	listen := flags.String("listen", ":"+collector.DefaultPort, "UDP `address` to listen on for sensors")
	dtls := flags.String("dtls", "", "UDP `address` to listen on for DTLS, usually :"+collector.DefaultDTLSPort+" (default: none)")
	wss := flags.String("wss", "", "TCP `address` to listen on for WebSockets, usually :"+collector.DefaultWSSPort+" (default: none)")
	psk := flags.String("dtls-psk", "", "`file` with keys of devices that cannot do certificates: a name and 32 to 128 hex digits per line, mode 0600")
	var proxies []netip.Prefix
	flags.Func("wss-proxy", "`network` of proxies that end TLS in front of --wss and check the tokens, such as 192.0.2.0/28; may be repeated", func(s string) error {
		p, err := netip.ParsePrefix(s)
		proxies = append(proxies, p.Masked())
		return err
	})
	name := flags.String("name", "taproot", "`name` of the site, for a new site.toml")
	shared := flags.String("shared", "", "`URL` of a PostgreSQL database that several collectors of the site share; its password is better in ~/.pgpass or PGPASSWORD")
	journalMax := flags.Int64("journal-max", 0, "`GB` that the journal may take; beyond it sensors keep their batches (default: all but 1 GB of the disk)")
	sensorMax := flags.Int64("sensor-max", 16, "`MB` a second that one sensor may have stored; one that has more is told to send less, and loses nothing. 0 for no bound")
	ask := flags.Duration("ask", 0, "how long sensors wait between questions for updates (default 10m)")
	verbose := flags.Bool("v", false, "log more")
	var addresses []string
	flags.Func("address", "`address` that sensors dial, for site.toml: host:port (UDP), dtls://host:port or wss://host[:port]; may be repeated, the first is preferred (default: those in site.toml, else this machine's)", func(s string) error {
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
		Data: *data, Listen: *listen, Addresses: addresses, Name: *name, Shared: *shared, MaxBytes: *journalMax << 30, SensorMax: *sensorMax << 20,
		ListenDTLS: *dtls, ListenWSS: *wss, PSKFile: *psk, Proxies: proxies, AskUpdates: *ask,
		Log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level})),
		Say: func(format string, args ...any) { fmt.Fprintf(stdout, format+"\n", args...) },
	})
}
