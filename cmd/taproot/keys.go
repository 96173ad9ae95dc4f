package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/taproot-sensor/taproot/provisioning"
)

var cmdKeys = command{"keys", "show a site's public keys, or make new ones", runKeys}

func runKeys(_ context.Context, args []string, stdout, _ io.Writer) error {
	if len(args) > 0 && args[0] == "secureboot" {
		return runSecureBoot(args[1:], stdout)
	}
	fs := newFlags("keys", "[FLAGS] | secureboot --new DIR", `  taproot keys                        the public keys of the collector here
  taproot keys --data /srv/taproot    those of another collector
  taproot keys --json
  taproot keys --new /srv/taproot     make the keys before the collector first runs
  taproot keys secureboot --new keys  make the keys that images for UEFI Secure Boot are signed with
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

// runSecureBoot makes the keys of Secure Boot, which belong to who owns the
// machines and not to a site.
func runSecureBoot(args []string, stdout io.Writer) error {
	fs := newFlags("keys secureboot", "--new DIR [--owner NAME]", `  taproot keys secureboot --new secureboot --owner "Example Ltd"
  taproot image build --board pc --site site.toml --secureboot secureboot -o image
`, stdout)
	dir := fs.String("new", "", "make keys in `DIR`; it must have none")
	owner := fs.String("owner", "taproot", "whose name the certificates have")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	if *dir == "" {
		return errors.New("keys secureboot: --new is missing")
	}
	if _, err := provisioning.CreateSecureBoot(*dir, *owner, time.Now()); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "Made PK, KEK and db in %s. The .key files are private: keep them off the collector, and a copy in a safe place.\n"+
		"Enrol db, then KEK, then PK, in the setup of each machine's firmware: from the .cer or .auth files on a FAT stick.\n", *dir)
	return nil
}
