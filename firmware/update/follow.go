package update

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"

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
		{ErrDigest, "damaged"}, {slots.ErrFailed, "failed_before"}, {slots.ErrNotWritten, "not_written"},
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

	timestamp, snapshot []byte // the last that were good
	signed              time.Time
}

// A Choice is a release that is to be installed.
type Choice struct {
	release.Release
	Digest slots.Digest

	name    string
	targets *metadata.Metadata[metadata.TargetsType]
}

// Check asks for the release that this sensor should run. It returns nil where
// that is the one that runs, and after how long to ask again.
func (f *Follower) Check(ctx context.Context, running slots.Digest, state slots.State) (*Choice, time.Duration, error) {
	q := release.Query{Board: f.Board, Unit: f.Unit, Slot: "0"}
	if running != (slots.Digest{}) {
		q.Slot = running.String()
	}
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
	trusted, err := f.refresh(ctx)
	if err != nil {
		return nil, err
	}
	targets := trusted.Targets[release.Role]
	file := targets.Signed.Targets[target]
	if file == nil {
		return nil, fmt.Errorf("%w: no metadata names it", ErrUnsigned)
	}
	rel, ok := release.ParseRelease(file.Custom)
	if !ok || rel.Size <= 0 || rel.Size > delta.MaxImage {
		return nil, errors.New("metadata says too little of it")
	}
	digest, err := rel.Digest()
	return &Choice{Release: rel, Digest: digest, name: target, targets: targets}, err
}

// unsigned says of an error of metadata what it means.
func unsigned(role string, err error) error {
	return fmt.Errorf("%w: %s: %v", ErrUnsigned, role, err)
}

// refresh brings the newest metadata and verifies it, from root to releases
// (TUF specification, section 5).
func (f *Follower) refresh(ctx context.Context) (*trustedmetadata.TrustedMetadata, error) {
	t, err := f.roots(ctx)
	if err != nil {
		return nil, err
	}
	t.RefTime = f.reference(t.Root.Signed.UnrecognizedFields)
	get := func(role string, version int64) ([]byte, error) {
		return fetch.ReadAll(ctx, f.Fetch, release.MetadataName(role, version), release.MaxMetadata)
	}
	if f.timestamp != nil { // an older one than we have seen is not taken
		t.UpdateTimestamp(f.timestamp) // one of keys that were removed is as none
	}
	timestamp, err := get(metadata.TIMESTAMP, 0)
	if err != nil {
		return nil, err
	}
	if _, err := t.UpdateTimestamp(timestamp); err != nil && !errors.Is(err, &metadata.ErrEqualVersionNumber{}) {
		return nil, unsigned(metadata.TIMESTAMP, err)
	}
	f.reference(t.Timestamp.Signed.UnrecognizedFields)
	pinned := t.Timestamp.Signed.Meta["snapshot.json"]
	if pinned == nil {
		return nil, unsigned(metadata.TIMESTAMP, errors.New("names no snapshot"))
	}
	snapshot, err := get(metadata.SNAPSHOT, pinned.Version)
	if err != nil {
		return nil, err
	}
	if f.snapshot != nil { // nor one with older metadata
		t.UpdateSnapshot(f.snapshot, true)
	}
	if _, err := t.UpdateSnapshot(snapshot, false); err != nil {
		return nil, unsigned(metadata.SNAPSHOT, err)
	}
	for _, role := range []struct{ name, parent string }{{metadata.TARGETS, metadata.ROOT}, {release.Role, metadata.TARGETS}} {
		pinned := t.Snapshot.Signed.Meta[role.name+".json"]
		if pinned == nil {
			return nil, unsigned(metadata.SNAPSHOT, fmt.Errorf("names no %s", role.name))
		}
		data, err := get(role.name, pinned.Version)
		if err != nil {
			return nil, err
		}
		if _, err := t.UpdateDelegatedTargets(data, role.name, role.parent); err != nil {
			return nil, unsigned(role.name, err)
		}
	}
	f.timestamp, f.snapshot = timestamp, snapshot
	return t, nil
}

// roots follows the roots from the one that is trusted, each signed by the keys
// of the one before it and by its own.
func (f *Follower) roots(ctx context.Context) (*trustedmetadata.TrustedMetadata, error) {
	t, err := trustedmetadata.New(f.Root)
	if err != nil {
		return nil, fmt.Errorf("the root in this image: %w", err)
	}
	for range maxRoots {
		data, err := fetch.ReadAll(ctx, f.Fetch, release.MetadataName(metadata.ROOT, t.Root.Signed.Version+1), release.MaxMetadata)
		if errors.Is(err, fetch.ErrNone) {
			return t, nil
		}
		if err != nil {
			return nil, err
		}
		if _, err := t.UpdateRoot(data); err != nil {
			return nil, unsigned("root "+strconv.FormatInt(t.Root.Signed.Version+1, 10), err)
		}
		f.Root = data
	}
	return nil, unsigned(metadata.ROOT, fmt.Errorf("more than %d of them are new", maxRoots))
}

// reference returns the time that expiry is compared with: the latest that is
// known to be over, because something was signed then.
func (f *Follower) reference(fields map[string]any) time.Time {
	if at, ok := fields[release.SignedAt].(float64); ok && at > 0 && at < 1<<40 {
		if t := time.Unix(int64(at), 0); t.After(f.signed) {
			f.signed = t
		}
	}
	return f.signed
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
	file := c.targets.Signed.Targets[name]
	if file == nil {
		return nil, fmt.Errorf("%w: no metadata names %.100q", ErrUnsigned, name)
	}
	sum := file.Hashes["sha256"]
	if len(sum) != len(slots.Digest{}) || file.Length <= 0 || file.Length > release.MaxTarget {
		return nil, fmt.Errorf("metadata of %.100q has no SHA-256, or no size that can be", name)
	}
	if err := f.room(file.Length + more); err != nil {
		return nil, err
	}
	data, err := fetch.ReadAll(ctx, f.Fetch, release.TargetName(sum, name), file.Length)
	if err != nil {
		return nil, err
	}
	if err := file.VerifyLengthHashes(data); err != nil {
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
