package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/image"
	"github.com/taproot-sensor/taproot/provisioning"
	"github.com/taproot-sensor/taproot/provisioning/releases"
)

var cmdImage = command{"image", "build the image of a board, and flash a disk, a card or a stick with it", runImage}

func runImage(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "flash" {
		return runFlash(ctx, args[1:], stdout, stderr)
	}
	fs := newFlags("image", "build --board BOARD --site FILE -o DIR [FLAGS] | flash DEVICE", `  taproot image build --board qemu-x86-64 --site taproot-data/site.toml -o image
  taproot image build --board qemu-x86-64 -o base
  taproot image build --board qemu-x86-64 --base base --site site.toml -o image
  taproot image flash --help
`, stdout)
	boardName := fs.String("board", "", "board to build for; \"taproot board list\" lists them")
	sitePath := fs.String("site", "", "site file of the collector; without one the result is a base image")
	out := fs.String("o", "", "directory to write the image to")
	base := fs.String("base", "", "directory of a built image to put the site in, instead of building one")
	release := fs.String("release", "dev", "what the image calls itself")
	cacheDir := fs.String("cache", "", "directory for kernels (default $XDG_CACHE_HOME/taproot)")
	refresh := fs.Bool("refresh", false, "look for newer kernels than those in the cache")
	secureBoot := fs.String("secureboot", "", "sign for UEFI Secure Boot with the keys in `DIR`; \"taproot keys secureboot\" makes them")
	rootPath := fs.String("root", "", "root of the releases that the image takes as updates: `FILE` is metadata/root.json of \"taproot release init\"; without one it takes none")
	piFirmware := fs.String("pi-firmware", "", "`DIR` with the programs that a Raspberry Pi starts with; \"taproot board show rpi4\" names them")
	kernel := fs.String("kernel", "", "`DIR` with an unpacked Debian kernel package, in place of the one that the board takes")
	debug := fs.Bool("debug", false, "an image that shows kernel messages on its console")
	if len(args) == 0 {
		fs.Usage()
		return errors.New(`image: say "build" or "flash"`)
	}
	if args[0] == "build" {
		args = args[1:]
	}
	if err := fs.Parse(args); err != nil {
		return err
	}
	switch {
	case fs.NArg() > 0:
		return fmt.Errorf("image: %q is not understood; want \"build\" and flags", fs.Arg(0))
	case *boardName == "":
		return errors.New("image build: --board is missing")
	case *out == "":
		return errors.New("image build: -o is missing")
	}
	b, err := board.Lookup(*boardName)
	if err != nil {
		return fmt.Errorf("image build: %w", err)
	}
	o := image.Options{Board: b, Out: *out, Base: *base, Release: *release, Debug: *debug, PiFirmware: *piFirmware, Kernel: *kernel}
	if *sitePath != "" {
		s, err := provisioning.LoadSite(*sitePath)
		if err != nil {
			return fmt.Errorf("image build: %w", err)
		}
		o.Site = &s
	}
	if *rootPath != "" {
		if o.Root, err = releases.ReadRoot(*rootPath); err != nil {
			return fmt.Errorf("image build: %w", err)
		}
	}
	if *secureBoot != "" {
		signer, err := provisioning.LoadSecureBootDB(*secureBoot)
		if err != nil {
			return fmt.Errorf("image build: %w", err)
		}
		o.Sign = &signer
	}
	if *cacheDir == "" {
		if *cacheDir, err = image.DefaultCacheDir(); err != nil {
			return fmt.Errorf("image build: %w", err)
		}
	}
	o.Cache = &image.Cache{Dir: *cacheDir, Refresh: *refresh, Progress: image.Progress{W: stderr}}
	m, err := image.Build(ctx, o)
	if err != nil {
		return err
	}
	return showManifest(stdout, *out, m)
}

func showManifest(stdout io.Writer, dir string, m image.Manifest) error {
	site := "for site " + fmt.Sprintf("%q", m.Site)
	if m.Site == "" {
		site = "a base image without a site"
	}
	fmt.Fprintf(stdout, "%s: %s, release %s, kernel %s, %s\n", dir, m.Board, m.Release, m.Kernel, site)
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, name := range slices.Sorted(maps.Keys(m.Files)) {
		fmt.Fprintf(w, "  %.1f MB\t  %s\t\n", float64(m.Files[name].Size)/1e6, name)
	}
	return w.Flush()
}
