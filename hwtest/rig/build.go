package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Tools are the programs that people run, built from the source around us.
type Tools struct{ Taproot string }

// BuildTools builds taproot, and the query process beside it, into dir.
func BuildTools(ctx context.Context, dir string) (Tools, error) {
	for _, p := range []struct{ name, cgo string }{{"taproot", "0"}, {"taproot-query", "1"}} {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", filepath.Join(dir, p.name),
			"github.com/taproot-sensor/taproot/cmd/"+p.name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED="+p.cgo)
		if out, err := cmd.CombinedOutput(); err != nil {
			return Tools{}, fmt.Errorf("building %s: %w\n%s", p.name, err, out)
		}
	}
	return Tools{Taproot: filepath.Join(dir, "taproot")}, nil
}

// Image builds an image for the board; progress gets what the build says of
// its steps. An empty site makes a base image, an empty base builds anew.
func (t Tools) Image(ctx context.Context, board, site, base, out string, progress io.Writer) error {
	args := []string{"--board", board, "-o", out}
	if site != "" {
		args = append(args, "--site", site)
	}
	if base != "" {
		args = append(args, "--base", base)
	}
	return t.Build(ctx, progress, args...)
}

// Build builds an image with other flags.
func (t Tools) Build(ctx context.Context, progress io.Writer, flags ...string) error {
	return t.run(ctx, progress, append([]string{"image", "build"}, flags...)...)
}

// run runs taproot and returns its last words if it fails.
func (t Tools) run(ctx context.Context, progress io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, t.Taproot, args...)
	var said strings.Builder
	cmd.Stdout, cmd.Stderr = io.Discard, &said
	if progress != nil {
		cmd.Stderr = io.MultiWriter(&said, progress)
	}
	if err := cmd.Run(); err != nil {
		return errors.Join(fmt.Errorf("taproot %s: %w", strings.Join(args, " "), err), errors.New(strings.TrimSpace(said.String())))
	}
	return nil
}
