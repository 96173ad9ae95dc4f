package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/taproot-sensor/taproot/collector/control"
	"github.com/taproot-sensor/taproot/provisioning"
)

var cmdKeys = command{"keys", "show a site's public keys, make new ones, rotate, hand over", runKeys}

func runKeys(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "secureboot" {
		return runSecureBoot(args[1:], stdout)
	}
	fs := newFlags("keys", "[show|rotate|handover|secureboot] [FLAGS]", `  taproot keys                        the public keys of the collector here
  taproot keys --data /srv/taproot    those of another collector
  taproot keys --json
  taproot keys --new /srv/taproot     make the keys before the collector first runs
  taproot keys rotate                 end the epoch: what was recorded until now is closed for good
  taproot keys handover               put the site's next box key in use, after a theft or a year; sensors follow
  taproot keys secureboot --new keys  make the keys that images for UEFI Secure Boot are signed with
`, stdout)
	data := dataFlag(fs)
	create := fs.String("new", "", "make keys in data directory `DIR`; it must have none")
	asJSON := fs.Bool("json", false, "print JSON")
	verb := "show"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		verb, args = args[0], args[1:]
	}
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	if *create != "" && verb != "show" {
		return fmt.Errorf("keys %s: --new makes keys and nothing else", verb)
	}
	switch verb {
	case "show":
		return showKeys(*data, *create, *asJSON, stdout)
	case "rotate":
		if err := control.NewClient(*data).Rotate(ctx); err != nil {
			return err
		}
		fmt.Fprintln(stderr, "the epoch key is gone; sensors move to a new one within seconds, and nothing of theirs is lost")
		return nil
	case "handover":
		s, err := control.NewClient(*data).HandOver(ctx)
		if err != nil {
			return err
		}
		if err := printKeys(s.Box, s.Identity, s.Next, filepath.Join(*data, "keys"), *asJSON, stdout); err != nil {
			return err
		}
		fmt.Fprintf(stderr, "Sensors follow by themselves. Now: back up %[1]s/keys again; copy it to the site's other collectors and restart\nthem; make new images from %[1]s/site.toml.\n", *data)
		return nil
	}
	return fmt.Errorf("keys: unknown word %q; say show, rotate, handover or secureboot", verb)
}

func showKeys(data, create string, asJSON bool, stdout io.Writer) error {
	dir, load := filepath.Join(data, "keys"), provisioning.LoadKeys
	if create != "" {
		dir, load = filepath.Join(create, "keys"), provisioning.CreateKeys
	}
	keys, err := load(dir)
	if err != nil {
		return explainNoKeys(err, dir)
	}
	s := keys.Site("", nil)
	if err := printKeys(s.Box, s.Identity, s.Next, dir, asJSON, stdout); err != nil || asJSON {
		return err
	}
	fmt.Fprintf(stdout, "\nThese are public: they go into site.toml and from there into images.\nThe private halves are in %s; keep a copy of it in a safe place.\n", dir)
	return nil
}

func printKeys(box, identity, next fmt.Stringer, dir string, asJSON bool, stdout io.Writer) error {
	if asJSON {
		return writeJSON(stdout, map[string]string{
			"directory": dir, "box": box.String(), "identity": identity.String(), "next": next.String(),
		})
	}
	_, err := fmt.Fprintf(stdout, "box      = %q\nidentity = %q\nnext     = %q\n", box, identity, next)
	return err
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
