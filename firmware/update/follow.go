package update

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/taproot-sensor/taproot/firmware/fetch"
	"github.com/taproot-sensor/taproot/firmware/slots"
	"github.com/taproot-sensor/taproot/wire/delta"
	"github.com/taproot-sensor/taproot/wire/release"
)

// Why a release is not taken. All but ErrUnsigned mean that it is a real one.
var (
	ErrUnsigned = errors.New("not signed by who may")
	ErrBoard    = errors.New("for another board")
	ErrFloor    = errors.New("older than what this sensor takes")
	ErrMemory   = errors.New("does not fit in memory")
	ErrDamaged  = errors.New("not what was signed")
)

// Reason returns the word that err is counted under.
func Reason(err error) string {
	for _, r := range []struct {
		err  error
		word string
	}{
		{ErrUnsigned, "unsigned"}, {ErrBoard, "board"}, {ErrFloor, "floor"}, {ErrMemory, "memory"}, {ErrDamaged, "damaged"},
		{ErrDigest, "damaged"}, {slots.ErrFailed, "failed_before"}, {slots.ErrNotWritten, "not_written"}, {ErrKernel, "kernel"},
	} {
		if errors.Is(err, r.err) {
			return r.word
		}
	}
	return "other"
}

// maxRoots bounds how many roots are followed at once.
const maxRoots = 64

// memoryReserve is what an update leaves free for the rest of the machine, and
// unpackMemory what unpacking a whole image takes.
const (
	memoryReserve = 8 << 20
	unpackMemory  = 12 << 20
)

// A Follower finds the release that this sensor should run. It trusts the root
// in its image and what leads from there, and nobody else; a date alone decides
// nothing, since metadata is compared with the time when other metadata was
// signed and never with a clock.
type Follower struct {
	Board string
	Unit  string // see release.Query
	Root  []byte
	Fetch fetch.Fetcher

	// Memory returns how many bytes of memory are to be had.
	Memory func() (int, error)

	trust *release.Trust // what leads from Root, once it was asked for
}

// A Choice is a release that is to be installed.
type Choice struct {
	release.Release
	Digest slots.Digest

	name  string
	trust *release.Trust
}

// Check asks for the release that this sensor should run. It returns nil where
// that is the one that runs, and after how long to ask again.
func (f *Follower) Check(ctx context.Context, running slots.Digest, state slots.State) (*Choice, time.Duration, error) {
	q := release.Query{Board: f.Board, Unit: f.Unit, Slot: slotName(running)}
	for _, failed := range state.Failed {
		q.Failed = append(q.Failed, failed.Digest.String())
	}
	text, err := fetch.ReadAll(ctx, f.Fetch, q.Name(), release.MaxOffer)
	if err != nil {
		return nil, 0, fmt.Errorf("asking for a release: %w", err)
	}
	var offer release.Offer
	if err := json.Unmarshal(text, &offer); err != nil {
		return nil, 0, fmt.Errorf("asking for a release: %w", err)
	}
	wait := time.Duration(max(offer.Wait, 1)) * time.Second
	if offer.Target == "" {
		return nil, wait, nil
	}
	c, err := f.choose(ctx, offer.Target)
	if err != nil {
		return nil, wait, fmt.Errorf("release %.100q: %w", offer.Target, err)
	}
	if c.Digest == running {
		return nil, wait, nil
	}
	if err := f.allowed(c, state); err != nil {
		return nil, wait, fmt.Errorf("release %q: %w", c.Release.Release, err)
	}
	return c, wait, nil
}

// allowed returns why a release that is signed is not taken all the same.
func (f *Follower) allowed(c *Choice, state slots.State) error {
	switch {
	case c.Board != f.Board:
		return fmt.Errorf("%w: for %q, this is %q", ErrBoard, c.Board, f.Board)
	case c.Counter < state.Floor:
		return fmt.Errorf("%w: number %d, the floor is %d", ErrFloor, c.Counter, state.Floor)
	}
	return state.Refuses(c.Digest)
}

// choose returns what signed metadata says of a release.
func (f *Follower) choose(ctx context.Context, target string) (*Choice, error) {
	if err := f.refresh(ctx); err != nil {
		return nil, err
	}
	file, err := f.trust.Target(target)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrUnsigned, err)
	}
	rel, ok := release.ParseRelease(file.Custom)
	if !ok || rel.Size <= 0 || rel.Size > delta.MaxImage {
		return nil, errors.New("metadata says too little of it")
	}
	digest, err := rel.Digest()
	return &Choice{Release: rel, Digest: digest, name: target, trust: f.trust}, err
}

// refresh brings the newest metadata and verifies it, from root to releases.
func (f *Follower) refresh(ctx context.Context) (err error) {
	if f.trust == nil {
		if f.trust, err = release.NewTrust(f.Root); err != nil {
			return fmt.Errorf("in this image: %w", err)
		}
	}
	get := func(role string, version int64, update func([]byte) error) error {
		data, err := fetch.ReadAll(ctx, f.Fetch, release.MetadataName(role, version), release.MaxMetadata)
		if err != nil {
			return err
		}
		if err := update(data); err != nil {
			return fmt.Errorf("%w: %v", ErrUnsigned, err)
		}
		return nil
	}
	for n := 0; err == nil; n++ {
		if n == maxRoots {
			return fmt.Errorf("%w: more than %d roots are new", ErrUnsigned, maxRoots)
		}
		err = get(release.RoleRoot, f.trust.NextRoot(), f.trust.UpdateRoot)
	}
	if !errors.Is(err, fetch.ErrNone) {
		return err
	}
	if err := get(release.RoleTimestamp, 0, f.trust.UpdateTimestamp); err != nil {
		return err
	}
	if err := get(release.RoleSnapshot, f.trust.SnapshotVersion(), f.trust.UpdateSnapshot); err != nil {
		return err
	}
	for _, role := range []string{release.RoleTargets, release.Role} {
		version := f.trust.TargetsVersion(role)
		if err := get(role, version, func(data []byte) error { return f.trust.UpdateTargets(role, data) }); err != nil {
			return err
		}
	}
	return nil
}

// Bring fetches a release and returns the slot that it is, made of a patch and of
// what runs where there is a patch for it. running is the slot that runs, whose
// digest is from. All that is unpacked was signed; the slot's own digest is for
// Install to check. Close ends what goes on in the background.
func (f *Follower) Bring(ctx context.Context, c *Choice, running io.ReaderAt, from slots.Digest) (image io.ReadCloser, how string, err error) {
	if name := c.Deltas[from.String()]; name != "" && running != nil {
		image, err := f.patched(ctx, c, name, running)
		if err == nil {
			return image, name, nil
		}
		if ctx.Err() != nil {
			return nil, "", err
		}
		how = fmt.Sprintf("%s (no patch: %v)", c.name, err)
	}
	packed, err := f.target(ctx, c, c.name, unpackMemory)
	if err != nil {
		return nil, "", fmt.Errorf("release %q: %w", c.Release.Release, err)
	}
	d, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return nil, "", fmt.Errorf("release %q: %w", c.Release.Release, err)
	}
	if how == "" {
		how = c.name
	}
	return d.IOReadCloser(), how, nil
}

// patched returns a slot made of what runs. The patch is tried to its end before
// anything is written, so that a whole image can take its place.
func (f *Follower) patched(ctx context.Context, c *Choice, name string, running io.ReaderAt) (io.ReadCloser, error) {
	patch, err := f.target(ctx, c, name, 0)
	if err != nil {
		return nil, err
	}
	need, err := delta.Need(patch)
	if err != nil {
		return nil, err
	}
	if err := f.room(need); err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	go func() { w.CloseWithError(delta.Apply(w, running, patch)) }()
	got, err := digest(r)
	switch {
	case err != nil:
		return nil, err
	case got != c.Digest:
		return nil, ErrDigest
	}
	r, w = io.Pipe()
	go func() { w.CloseWithError(delta.Apply(w, running, patch)) }()
	return r, nil
}

// target fetches a target whole and checks it.
func (f *Follower) target(ctx context.Context, c *Choice, name string, more int64) ([]byte, error) {
	file, err := c.trust.Target(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %.100q: %v", ErrUnsigned, name, err)
	}
	if err := f.room(file.Length + more); err != nil {
		return nil, err
	}
	data, err := fetch.ReadAll(ctx, f.Fetch, release.TargetName(file.SHA256[:], name), file.Length)
	if err != nil {
		return nil, err
	}
	if err := file.Check(data); err != nil {
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	return data, nil
}

// room returns an error unless there is memory for n bytes.
func (f *Follower) room(n int64) error {
	free, err := f.Memory()
	if err != nil {
		return err
	}
	if n > int64(free)-memoryReserve {
		return fmt.Errorf("%w: it takes %.1f MB, %.1f MB are free and %.1f MB stay so", ErrMemory, float64(n)/1e6, float64(free)/1e6, memoryReserve/1e6)
	}
	return nil
}
