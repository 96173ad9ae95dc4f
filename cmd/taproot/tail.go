package main

import (
	"context"
	"io"

	"github.com/taproot-sensor/taproot/collector/control"
)

var cmdTail = command{"tail", "print records as they arrive, one JSON object per line", runTail}

func runTail(ctx context.Context, args []string, stdout, _ io.Writer) error {
	fs := newFlags("tail", "[FLAGS]", `  taproot tail
  taproot tail --kind dns
  taproot tail --kind flow | jq 'select(.dst_port == 22)'
`, stdout)
	data := dataFlag(fs)
	kind := fs.String("kind", "", "only records of `KIND`: flow, dns, tls, …")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	err := control.NewClient(*data).Tail(ctx, *kind, func(line []byte) error {
		_, err := stdout.Write(append(line, '\n'))
		return err
	})
	if ctx.Err() != nil {
		return nil // Ctrl-C is how a tail ends
	}
	return err
}
