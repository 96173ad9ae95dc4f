package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A Device is what an image is to be written to, and what is known of it.
type Device struct {
	Path      string
	Size      int64
	Block     bool   // a block device; else a file
	Model     string // "" if it is not said
	Removable bool   // a stick or a card
	// Busy says what the device is used for; "" if for nothing.
	Busy string
	// Partition says that it is a part of a disk.
	Partition bool
}

// Check returns an error that says why size bytes should not be written to the
// device. A fixed disk is one reason, which force overrides; the others hold.
func (d Device) Check(size int64, force bool) error {
	switch {
	case d.Busy != "":
		return fmt.Errorf("%s is in use: %s", d.Path, d.Busy)
	case d.Partition:
		return fmt.Errorf("%s is a partition; name the whole disk", d.Path)
	case d.Size < size:
		return fmt.Errorf("%s has %d bytes, the image %d", d.Path, d.Size, size)
	case d.Block && !d.Removable && !force:
		return fmt.Errorf("%s is a fixed disk, not a stick or a card; say --force if it is the right one", d.Path)
	}
	return nil
}

// Flashable opens the file of an image that a device is flashed with, and returns
// what its manifest says of it: the disk, or the ISO.
func Flashable(dir string, iso bool) (*os.File, Manifest, Digest, error) {
	var m Manifest
	text, err := os.ReadFile(filepath.Join(dir, FileManifest))
	if err != nil {
		return nil, m, Digest{}, fmt.Errorf("opening image: %w", err)
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, m, Digest{}, fmt.Errorf("opening image %q: %s: %w", dir, FileManifest, err)
	}
	name := FileDisk
	if iso {
		name = FileISO
	}
	want, ok := m.Files[name]
	if !ok {
		return nil, m, want, fmt.Errorf("image %q for board %q has no %s", dir, m.Board, name)
	}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return nil, m, want, fmt.Errorf("opening image: %w", err)
	}
	return f, m, want, nil
}

// flashStep is how much is written between two words of progress.
const flashStep = 4 << 20

// Flash writes an image to a device, reads it back and compares both with what
// its manifest says. say hears of the progress.
func Flash(ctx context.Context, from io.Reader, want Digest, d Device, say func(what string, done, of int64)) (err error) {
	f, err := openDevice(d)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := copyHashed(ctx, f, from, want, func(n int64) { say("written", n, want.Size) }); err != nil {
		return fmt.Errorf("writing %s: %w", d.Path, err)
	}
	if err := settleDevice(f, d); err != nil {
		return fmt.Errorf("writing %s: %w", d.Path, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := copyHashed(ctx, io.Discard, f, want, func(n int64) { say("checked", n, want.Size) }); err != nil {
		return fmt.Errorf("reading %s back: %w", d.Path, err)
	}
	return nil
}

// copyHashed copies as much as want says and compares the hash of it.
func copyHashed(ctx context.Context, to io.Writer, from io.Reader, want Digest, say func(n int64)) error {
	h := sha256.New()
	for done := int64(0); done < want.Size; {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n, err := io.CopyN(io.MultiWriter(to, h), from, min(flashStep, want.Size-done))
		if done += n; err != nil {
			return fmt.Errorf("at byte %d: %w", done, err)
		}
		say(done)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want.SHA256 {
		return fmt.Errorf("SHA-256 %s, the manifest says %s", got, want.SHA256)
	}
	return nil
}
