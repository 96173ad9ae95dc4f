package releases

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/taproot-sensor/taproot/internal/durable"
	"github.com/taproot-sensor/taproot/wire/delta"
	"github.com/taproot-sensor/taproot/wire/release"
)

// keep is how many releases of a board stay in the metadata without being in a
// channel: each is one that sensors may run and get a patch of.
const keep = 5

// An Image is what a release is made of.
type Image struct {
	Board   string
	Release string
	Slot    []byte // as an image has it, compressed
	Digest  string // SHA-256 of what Slot unpacks to, hex
	Size    int64  // of what Slot unpacks to
}

// What to sign a release with.
type SignOptions struct {
	Channels []string
	Floor    uint64        // see release.Release; may be the release's own counter
	Confirm  time.Duration // 0 is the sensor's default
	Deltas   int           // from how many releases before it there are patches
}

// Sign adds an image as a release, with patches, and signs it.
func (r *Repo) Sign(img Image, o SignOptions) (Named, error) {
	n, err := r.sign(img, o)
	if err != nil {
		return Named{}, fmt.Errorf("signing release %q for %s: %w", img.Release, img.Board, err)
	}
	return n, nil
}

func (r *Repo) sign(img Image, o SignOptions) (Named, error) {
	for _, c := range o.Channels {
		if err := release.CheckWord("channel", c); err != nil {
			return Named{}, err
		}
	}
	if err := release.CheckWord("board", img.Board); err != nil {
		return Named{}, err
	}
	slot, err := unpack(img.Slot, img.Size)
	if err != nil {
		return Named{}, fmt.Errorf("unpacking slot: %w", err)
	}
	if sum := sha256.Sum256(slot); hex.EncodeToString(sum[:]) != img.Digest {
		return Named{}, errors.New("the slot is not what the image's manifest says")
	}
	counter := uint64(1)
	var before []Named
	for _, n := range r.List() {
		counter = max(counter, n.Counter+1)
		if n.Slot == img.Digest {
			return Named{}, fmt.Errorf("release %s has the same slot; \"taproot release promote\" puts it into a channel", n.Target)
		}
		if n.Board == img.Board {
			before = append(before, n)
		}
	}
	if o.Floor > counter {
		return Named{}, fmt.Errorf("floor %d is above the release itself, which is number %d", o.Floor, counter)
	}
	n := Named{Target: fmt.Sprintf("%s-%d.slot.zst", img.Board, counter), Release: release.Release{
		Board: img.Board, Release: img.Release, Counter: counter, Floor: o.Floor, Slot: img.Digest, Size: img.Size,
		Confirm: int64(o.Confirm / time.Second), Time: r.now().Unix(), Channels: o.Channels, Deltas: map[string]string{},
	}}
	for _, old := range before[max(0, len(before)-o.Deltas):] {
		name, err := r.addDelta(old, n, slot)
		if err != nil {
			return Named{}, err
		}
		n.Deltas[old.Slot] = name
	}
	if _, err := r.addTarget(n.Target, img.Slot); err != nil {
		return Named{}, err
	}
	if err := r.set(n); err != nil {
		return Named{}, err
	}
	return n, r.commit()
}

// addDelta makes the patch from an older release to a slot a target.
func (r *Repo) addDelta(old, to Named, slot []byte) (string, error) {
	packed, err := r.readTarget(old.Target)
	if err != nil {
		return "", err
	}
	from, err := unpack(packed, old.Size)
	if err != nil {
		return "", err
	}
	patch, err := delta.Make(from, slot)
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s-%d-%d.delta", to.Board, old.Counter, to.Counter)
	_, err = r.addTarget(name, patch)
	return name, err
}

// set writes what metadata says of a release.
func (r *Repo) set(n Named) error {
	b, err := json.Marshal(n.Release)
	if err != nil {
		return err
	}
	custom := json.RawMessage(b)
	r.releases.Signed.Targets[n.Target].Custom = &custom
	return nil
}

// commit drops what nobody is offered any more and signs the rest.
func (r *Repo) commit() error {
	r.prune()
	r.releases.Signed.Version++
	return r.signReleases()
}

// prune forgets old releases that are in no channel, and patches to releases
// that are in none.
func (r *Repo) prune() {
	list := r.List()
	slices.Reverse(list)
	needed, boards := map[string]bool{}, map[string]int{}
	for _, n := range list {
		if len(n.Channels) > 0 || boards[n.Board] < keep {
			needed[n.Target] = true
		}
		boards[n.Board]++
		if len(n.Channels) > 0 {
			for _, d := range n.Deltas {
				needed[d] = true
			}
		}
	}
	maps.DeleteFunc(r.releases.Signed.Targets, func(name string, _ *metadata.TargetFiles) bool { return !needed[name] })
}

// Find returns the release that people call name, or whose target is name.
func (r *Repo) Find(name, board string) (Named, error) {
	var found []Named
	for _, n := range r.List() {
		if (n.Target == name || n.Release.Release == name) && (board == "" || n.Board == board) {
			found = append(found, n)
		}
	}
	switch len(found) {
	case 0:
		return Named{}, fmt.Errorf("no release %q; \"taproot release list\" shows them", name)
	case 1:
		return found[0], nil
	}
	var targets []string
	for _, n := range found {
		targets = append(targets, n.Target)
	}
	return Named{}, fmt.Errorf("%d releases are called %q; say which: %s", len(found), name, strings.Join(targets, ", "))
}

// Promote puts a release into a channel, for the sensors of its board, in the
// place of the one that they were offered; that one stays in the channel, for
// those that the new one is not offered to yet. One more that was in it leaves.
func (r *Repo) Promote(n Named, channel string) error {
	if err := release.CheckWord("channel", channel); err != nil {
		return fmt.Errorf("promoting %s: %w", n.Target, err)
	}
	if n.In(channel) {
		return fmt.Errorf("promoting %s: it is in channel %q already", n.Target, channel)
	}
	before := 0
	list := r.List()
	slices.Reverse(list)
	for _, other := range list {
		if other.Board != n.Board || !other.In(channel) || other.Target == n.Target {
			continue
		}
		if before++; before > 1 {
			other.Channels = slices.DeleteFunc(other.Channels, func(c string) bool { return c == channel })
			if err := r.set(other); err != nil {
				return err
			}
		}
	}
	n.Channels = append(n.Channels, channel)
	if err := r.set(n); err != nil {
		return err
	}
	return r.commit()
}

// Withdraw takes a release out of every channel. Sensors that run it are offered
// the one before it.
func (r *Repo) Withdraw(n Named) error {
	n.Channels = nil
	if err := r.set(n); err != nil {
		return err
	}
	return r.commit()
}

// Publish says that what is signed is the newest, and copies it to dst, the
// directory that a collector serves: targets first, and last what points to all
// the rest, so that who reads while it writes sees the old or the new. What
// sensors would refuse is not copied.
func (r *Repo) Publish(dst string) (files int, err error) {
	if files, err = r.publish(dst); err != nil {
		return files, fmt.Errorf("publishing releases: %w", err)
	}
	return files, nil
}

func (r *Repo) publish(dst string) (files int, err error) {
	k, err := loadKey(r.Keys, onlineKey)
	if err != nil {
		return 0, err
	}
	meta := map[string]*metadata.MetaFiles{
		"targets.json":         metadata.MetaFile(r.targets.Signed.Version),
		release.Role + ".json": metadata.MetaFile(r.releases.Signed.Version),
	}
	if !sameVersions(r.snapshot.Signed.Meta, meta) || r.snapshot.Signed.Version == 0 {
		r.snapshot.Signed.Meta = meta
		r.snapshot.Signed.Version++
	}
	if err := save(r, r.snapshot, metadata.SNAPSHOT, r.snapshot.Signed.Version, k); err != nil {
		return 0, err
	}
	r.timestamp.Signed.Meta = map[string]*metadata.MetaFiles{"snapshot.json": metadata.MetaFile(r.snapshot.Signed.Version)}
	r.timestamp.Signed.Version++
	r.timestamp.Signed.UnrecognizedFields = map[string]any{release.SignedAt: r.now().Unix()}
	if err := save(r, r.timestamp, metadata.TIMESTAMP, 0, k); err != nil {
		return 0, err
	}
	if err := r.verify(); err != nil {
		return 0, fmt.Errorf("sensors would not take it: %w", err)
	}
	var names []string
	for name, t := range r.releases.Signed.Targets {
		names = append(names, release.TargetName(t.Hashes["sha256"], name))
	}
	slices.Sort(names)
	for v := int64(1); v <= r.root.Signed.Version; v++ {
		names = append(names, release.MetadataName(metadata.ROOT, v))
	}
	names = append(names, release.MetadataName(metadata.TARGETS, r.targets.Signed.Version),
		release.MetadataName(release.Role, r.releases.Signed.Version),
		release.MetadataName(metadata.SNAPSHOT, r.snapshot.Signed.Version),
		release.MetadataName(metadata.TIMESTAMP, 0))
	for _, name := range names {
		copied, err := copyFile(r.path(name), filepath.Join(dst, filepath.FromSlash(name)))
		if err != nil {
			return files, err
		}
		if copied {
			files++
		}
	}
	return files, nil
}

func sameVersions(a, b map[string]*metadata.MetaFiles) bool {
	return maps.EqualFunc(a, b, func(x, y *metadata.MetaFiles) bool { return x.Version == y.Version })
}

// copyFile copies a file unless dst has it.
func copyFile(src, dst string) (bool, error) {
	data, err := os.ReadFile(src)
	if err != nil {
		return false, err
	}
	if old, err := os.ReadFile(dst); err == nil && bytes.Equal(old, data) {
		return false, nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err := os.MkdirAll(filepath.Dir(dst), 0o755); err != nil {
		return false, err
	}
	return true, durable.WriteFile(dst, data, 0o644)
}

// unpack unpacks a slot of size bytes.
func unpack(packed []byte, size int64) ([]byte, error) {
	if size <= 0 || size > delta.MaxImage {
		return nil, fmt.Errorf("slot of %d bytes, want 1 to %d", size, delta.MaxImage)
	}
	d, err := zstd.NewReader(bytes.NewReader(packed), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	slot, err := io.ReadAll(io.LimitReader(d, size+1))
	if err == nil && int64(len(slot)) != size {
		err = fmt.Errorf("slot unpacks to other than the %d bytes that it should have", size)
	}
	return slot, err
}
