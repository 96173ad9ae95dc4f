// Package image makes what a board is flashed with: kernel, modules and the
// sensor's program, as initramfs, unified kernel image and disk image.
//
// The same inputs give the same bytes. A base image has an empty place for its
// site; Build fills that place in every file that has one, so that a site needs
// no build of its own. docs/format/image.md has the layout.
//
// Kernels come from Debian packages, through a Cache. The package writes cpio,
// PE, FAT and GPT itself and needs apt, dpkg-deb and xz from its host. What it
// writes has no secret in it, because a site.Site cannot hold one.
package image

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/internal/pkcs7"
	"github.com/taproot-sensor/taproot/wire/site"
)

// Options say what to build.
type Options struct {
	Board *board.Board
	Out   string // directory to make or, if it holds an image, to replace

	// Site is who the sensor belongs to; nil makes a base image.
	Site *site.Site

	// Base is the directory of a built image to take in place of a build.
	Base string

	Release string // what the image calls itself

	// Root is whose releases the image takes as updates: a root of TUF
	// metadata. An image without one is not updated.
	Root []byte

	Debug bool // kernel messages on the console

	// Sign signs what UEFI starts; nil leaves it unsigned.
	Sign *pkcs7.Signer

	// PiFirmware is a directory with what a Raspberry Pi starts with; valid iff
	// the board is one that needs it.
	PiFirmware string

	// Kernel is a directory with an unpacked Debian kernel package to take in
	// place of the board's; "" takes that.
	Kernel string

	Cache *Cache
}

// Build makes an image.
func Build(ctx context.Context, o Options) (Manifest, error) {
	if _, err := replaceable(o.Out); err != nil {
		return Manifest{}, fmt.Errorf("building image: %w", err)
	}
	img, err := o.base(ctx)
	if err != nil {
		return Manifest{}, fmt.Errorf("building image for board %q: %w", o.Board.Name, err)
	}
	if o.Site != nil {
		if err := img.setSite(*o.Site); err != nil {
			return Manifest{}, fmt.Errorf("building image for site %q: %w", o.Site.Name, err)
		}
	}
	err = o.Cache.Progress.step("making the outputs for "+o.Board.Name, func() error { return o.finish(img) })
	if err != nil {
		return Manifest{}, fmt.Errorf("building image for board %q: %w", o.Board.Name, err)
	}
	if err := img.writeTo(o.Out); err != nil {
		return Manifest{}, fmt.Errorf("writing image: %w", err)
	}
	return img.manifest, nil
}

// base returns an image to put a site in.
func (o Options) base(ctx context.Context) (*image, error) {
	if o.Base == "" {
		return o.build(ctx)
	}
	img, err := readImage(o.Base)
	if err != nil {
		return nil, err
	}
	if img.manifest.Board != o.Board.Name {
		return nil, fmt.Errorf("base image %q is for board %q", o.Base, img.manifest.Board)
	}
	return img, nil
}

// setSite puts a site in every file that has a place of its own for one; finish
// makes the others of these.
func (img *image) setSite(s site.Site) error {
	region, err := s.Append(nil)
	if err != nil {
		return err
	}
	for _, name := range []string{FileInitramfs, FileUKI} {
		data, ok := img.files[name]
		if !ok {
			continue
		}
		if err := putSite(data, region); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	img.manifest.Site = s.Name
	return nil
}

// build makes a base image.
func (o Options) build(ctx context.Context) (*image, error) {
	if err := o.checkPiFirmware(); err != nil {
		return nil, err
	}
	var init program
	err := o.Cache.Progress.step("compiling init for "+o.Board.Name, func() (err error) {
		init, err = compileInit(ctx, o.Board)
		return err
	})
	if err != nil {
		return nil, err
	}
	k, err := o.kernel(ctx)
	if err != nil {
		return nil, err
	}
	var img *image
	err = o.Cache.Progress.step("packing image for "+o.Board.Name, func() (err error) {
		img, err = o.pack(ctx, k, init)
		return err
	})
	return img, err
}

// pack makes the files of an image.
func (o Options) pack(ctx context.Context, k kernel, init program) (*image, error) {
	trees, err := k.deviceTrees(o.Board)
	if err != nil {
		return nil, err
	}
	mods, err := k.modules(o.Board.Modules)
	if err != nil {
		return nil, err
	}
	kernelImage, err := k.image()
	if err != nil {
		return nil, err
	}
	drivers, index, err := k.drivers(o.Board.Drivers, mods)
	if err != nil {
		return nil, err
	}
	initrd, err := initramfs(init.data, mods, drivers, index, identity{Board: o.Board.Name, Kernel: k.release, Release: o.Release}, o.Root)
	if err != nil {
		return nil, fmt.Errorf("packing initramfs: %w", err)
	}
	img := &image{
		manifest: Manifest{
			Board: o.Board.Name, Kernel: k.release, KernelDeb: k.version,
			Release: o.Release, Debug: o.Debug, CommandLine: o.Board.CommandLine(o.Debug),
		},
		files: map[string][]byte{FileKernel: kernelImage, FileInitramfs: initrd},
	}
	img.addPackage(k.name(), k.version, o.Board.Debian)
	if o.Board.QEMU != nil && o.Board.QEMU.Kernel == FileVmlinux {
		if img.files[FileVmlinux], err = k.vmlinux(ctx, kernelImage); err != nil {
			return nil, err
		}
	}
	if o.Board.BootsBy(board.UEFI) {
		if img.files[FileUKI], err = o.uki(ctx, img); err != nil {
			return nil, err
		}
	}
	for _, t := range trees {
		img.files[t.path] = t.data
	}
	switch {
	case o.Board.BootsBy(board.BIOS):
		err = o.packGRUB(ctx, img)
	case o.Board.Loader != nil:
		err = o.packLoader(ctx, img)
	case o.Board.PiFirmware != nil:
		err = o.packPi(img)
	}
	if err != nil {
		return nil, err
	}
	img.files[FileSBOM], err = billOfMaterials(img.manifest, init.info, img.packages, append(mods, drivers...))
	return img, err
}

const modulePath = "github.com/taproot-sensor/taproot"

// A program is compiled Go.
type program struct {
	data []byte
	info *debug.BuildInfo // what it says it was built from
}

// compileInit compiles the sensor's program from the source around the working
// directory.
func compileInit(ctx context.Context, b *board.Board) (p program, err error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", modulePath).Output()
	if err != nil {
		return p, errors.New("compiling init needs Go and taproot's source around the working directory; or name a built image with --base")
	}
	tmp, err := os.MkdirTemp("", "taproot-init-")
	if err != nil {
		return p, err
	}
	defer os.RemoveAll(tmp)
	path := filepath.Join(tmp, "init")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", path, "./cmd/init")
	cmd.Dir = strings.TrimSpace(string(out))
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+b.Arch, "GOARM="+b.ARM)
	if msg, err := cmd.CombinedOutput(); err != nil {
		return p, fmt.Errorf("compiling init: %w\n%s", err, msg)
	}
	if p.data, err = os.ReadFile(path); err != nil {
		return p, err
	}
	if p.info, err = buildinfo.Read(bytes.NewReader(p.data)); err != nil {
		return p, fmt.Errorf("reading what init was built from: %w", err)
	}
	return p, nil
}
