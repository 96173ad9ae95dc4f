package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/taproot-sensor/taproot/provisioning"
)

var cmdKeys = command{"keys", "show a site's public keys, or make new ones", runKeys}

func runKeys(_ context.Context, args []string, stdout, _ io.Writer) error {
	fs := newFlags("keys", "[FLAGS]", `  taproot keys                        the public keys of the collector here
  taproot keys --data /srv/taproot    those of another collector
  taproot keys --json
  taproot keys --new /srv/taproot     make the keys before the collector first runs
`, stdout)
	data := dataFlag(fs)
	create := fs.String("new", "", "make keys in data directory `DIR`; it must have none")
	asJSON := fs.Bool("json", false, "print JSON")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	dir, load := filepath.Join(*data, "keys"), provisioning.LoadKeys
	if *create != "" {
		dir, load = filepath.Join(*create, "keys"), provisioning.CreateKeys
	}
	keys, err := load(dir)
	if err != nil {
		return explainNoKeys(err, dir)
	}
	s := keys.Site("", nil)
	if *asJSON {
		return writeJSON(stdout, map[string]string{
			"directory": dir, "box": s.Box.String(), "identity": s.Identity.String(), "next": s.Next.String(),
		})
	}
	fmt.Fprintf(stdout, "box      = %q\nidentity = %q\nnext     = %q\n\n", s.Box, s.Identity, s.Next)
	fmt.Fprintf(stdout, "These are public: they go into site.toml and from there into images.\nThe private halves are in %s; keep a copy of it in a safe place.\n", dir)
	return nil
}

func explainNoKeys(err error, dir string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there are no site keys in %s; \"taproot collector\" makes them when it first runs, or \"taproot keys --new DIR\"", dir)
	}
	return err
}
