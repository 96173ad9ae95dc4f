package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/taproot-sensor/taproot/image"
)

func runFlash(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := newFlags("image flash", "--image DIR [FLAGS] DEVICE", `  taproot image flash --image image /dev/sdb          a stick or a card; asks first
  taproot image flash --image image --iso /dev/sdb    the ISO: a stick that runs in RAM, or installs
  taproot image flash --image image --force --yes /dev/nvme0n1
`, stdout)
	dir := fs.String("image", "", "`DIR` that \"taproot image build\" wrote")
	iso := fs.Bool("iso", false, "write the ISO in place of the disk")
	force := fs.Bool("force", false, "write to a fixed disk too")
	yes := fs.Bool("yes", false, "do not ask")
	if err := parse(fs, args, 1); err != nil {
		return err
	}
	if *dir == "" {
		return errors.New("image flash: --image is missing")
	}
	from, manifest, want, err := image.Flashable(*dir, *iso)
	if err != nil {
		return fmt.Errorf("image flash: %w", err)
	}
	defer from.Close()
	d, err := image.Inspect(fs.Arg(0))
	if err != nil {
		return fmt.Errorf("image flash: %w", err)
	}
	if err := d.Check(want.Size, *force); err != nil {
		return fmt.Errorf("image flash: %w", err)
	}
	fmt.Fprintf(stdout, "%s, release %s, for site %q: %.1f MB\nto %s: %s\n", manifest.Board, manifest.Release, manifest.Site,
		float64(want.Size)/1e6, d.Path, strings.TrimSpace(fmt.Sprintf("%.1f GB %s", float64(d.Size)/1e9, d.Model)))
	if !*yes {
		if err := confirm(os.Stdin, stdout, d.Path); err != nil {
			return fmt.Errorf("image flash: %w", err)
		}
	}
	err = image.Flash(ctx, from, want, d, func(what string, done, of int64) {
		fmt.Fprintf(stderr, "\r%s %3d %%", what, 100*done/of)
	})
	fmt.Fprintln(stderr)
	if err != nil {
		return fmt.Errorf("image flash: %w", err)
	}
	fmt.Fprintf(stdout, "%s is written and was read back as it should be.\n", d.Path)
	return nil
}

// confirm has the person type the device's name.
func confirm(in io.Reader, out io.Writer, path string) error {
	fmt.Fprintf(out, "Everything on %s will be lost. Type its name to go on: ", path)
	line, _ := bufio.NewReader(in).ReadString('\n')
	if got := strings.TrimSpace(line); got != path {
		return fmt.Errorf("nothing was written: %q is not %q", got, path)
	}
	return nil
}
