// Package releases keeps the repository of signed releases that sensors are
// updated from: TUF metadata, whole images, and patches between them.
//
// Four kinds of keys sign. Two of three root keys, which stay offline, say which
// the other keys are. The release key, on the bench, signs what a release is. The
// online key, where releases are published from, signs which metadata is the
// newest, and can at worst hold releases back. The collector that serves a
// repository has none of them.
//
// A repository is a directory: metadata/ and targets/, which are public and are
// what Publish copies. docs/format/update.md has the files.
package releases

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/taproot-sensor/taproot/internal/durable"
	"github.com/taproot-sensor/taproot/wire/release"
)

// lifetime is how long metadata is good. Sensors have no clock to trust and
// compare it with times that are signed; it is for other readers of TUF.
const lifetime = 10 * 365 * 24 * time.Hour

// A Repo is a repository with all of its newest metadata.
type Repo struct {
	Dir  string
	Keys []string // directories with private keys
	now  func() time.Time

	root      *metadata.Metadata[metadata.RootType]
	targets   *metadata.Metadata[metadata.TargetsType]
	releases  *metadata.Metadata[metadata.TargetsType]
	snapshot  *metadata.Metadata[metadata.SnapshotType]
	timestamp *metadata.Metadata[metadata.TimestampType]
}

// A Named is a release and the target that is its image.
type Named struct {
	Target string
	release.Release
}

// Create makes a repository without releases, and its keys.
func Create(dir, keys string) (*Repo, error) {
	r := &Repo{Dir: dir, Keys: []string{keys}, now: time.Now}
	if err := r.create(keys); err != nil {
		return nil, fmt.Errorf("making repository: %w", err)
	}
	return r, nil
}

func (r *Repo) create(keys string) error {
	if _, err := os.Stat(r.path("metadata")); err == nil {
		return fmt.Errorf("%s has a repository already", r.Dir)
	}
	for _, sub := range []string{"metadata", "targets"} {
		if err := os.MkdirAll(r.path(sub), 0o755); err != nil {
			return err
		}
	}
	expires := r.now().Add(lifetime).UTC().Truncate(time.Second)
	r.root, r.targets, r.releases = metadata.Root(expires), metadata.Targets(expires), metadata.Targets(expires)
	r.snapshot, r.timestamp = metadata.Snapshot(expires), metadata.Timestamp(expires)
	for i := range rootKeys {
		k, err := createKey(keys, rootKey(i))
		if err != nil {
			return err
		}
		for _, role := range []string{metadata.ROOT, metadata.TARGETS} {
			if err := r.root.Signed.AddKey(k.public, role); err != nil {
				return err
			}
			r.root.Signed.Roles[role].Threshold = rootThreshold
		}
	}
	online, err := createKey(keys, onlineKey)
	if err != nil {
		return err
	}
	for _, role := range []string{metadata.SNAPSHOT, metadata.TIMESTAMP} {
		if err := r.root.Signed.AddKey(online.public, role); err != nil {
			return err
		}
	}
	k, err := createKey(keys, releaseKey)
	if err != nil {
		return err
	}
	r.delegate(k)
	r.stampRoot()
	if err := r.signByRoot(); err != nil {
		return err
	}
	return r.signReleases()
}

// delegate makes k the one key of releases.
func (r *Repo) delegate(k key) {
	r.targets.Signed.Delegations = &metadata.Delegations{
		Keys:  map[string]*metadata.Key{k.id: k.public},
		Roles: []metadata.DelegatedRole{{Name: release.Role, KeyIDs: []string{k.id}, Threshold: 1, Terminating: true, Paths: []string{"*"}}},
	}
}

// stampRoot notes when the root was signed: no sensor that has it can be older.
func (r *Repo) stampRoot() {
	r.root.Signed.UnrecognizedFields = map[string]any{release.SignedAt: r.now().Unix()}
}

// signByRoot signs root and targets with enough root keys, and writes them.
func (r *Repo) signByRoot() error {
	keys, err := loadRootKeys(r.Keys)
	if err != nil {
		return err
	}
	if err := save(r, r.root, metadata.ROOT, r.root.Signed.Version, keys...); err != nil {
		return err
	}
	data, err := os.ReadFile(r.path(release.MetadataName(metadata.ROOT, r.root.Signed.Version)))
	if err != nil {
		return err
	}
	if err := durable.WriteFile(r.path(release.MetadataName(metadata.ROOT, 0)), data, 0o644); err != nil { // for image build
		return err
	}
	return save(r, r.targets, metadata.TARGETS, r.targets.Signed.Version, keys...)
}

// signReleases signs the releases, and writes them.
func (r *Repo) signReleases() error {
	k, err := loadKey(r.Keys, releaseKey)
	if err != nil {
		return err
	}
	if !slices.Contains(r.targets.Signed.Delegations.Roles[0].KeyIDs, k.id) {
		return fmt.Errorf("the release key in %q is not the one that the root keys have named", r.Keys)
	}
	return save(r, r.releases, release.Role, r.releases.Signed.Version, k)
}

// save signs metadata anew and writes it.
func save[T metadata.Roles](r *Repo, m *metadata.Metadata[T], role string, version int64, keys ...key) error {
	m.ClearSignatures()
	for _, k := range keys {
		signer, err := k.signer()
		if err != nil {
			return err
		}
		if _, err := m.Sign(signer); err != nil {
			return fmt.Errorf("signing %s: %w", role, err)
		}
	}
	data, err := m.ToBytes(false)
	if err != nil {
		return fmt.Errorf("signing %s: %w", role, err)
	}
	if len(data) > release.MaxMetadata {
		return fmt.Errorf("signing %s: metadata of %d bytes, sensors take %d; withdraw releases that no sensor runs", role, len(data), release.MaxMetadata)
	}
	return durable.WriteFile(r.path(release.MetadataName(role, version)), data, 0o644)
}

func (r *Repo) path(name string) string { return filepath.Join(r.Dir, filepath.FromSlash(name)) }

// Open reads a repository. keys are directories with the private keys that what
// is to be done needs.
func Open(dir string, keys ...string) (*Repo, error) {
	r := &Repo{Dir: dir, Keys: keys, now: time.Now}
	if err := r.open(); err != nil {
		return nil, fmt.Errorf("opening repository %s: %w", dir, err)
	}
	return r, nil
}

func (r *Repo) open() (err error) {
	if _, err := os.Stat(r.path("metadata")); errors.Is(err, fs.ErrNotExist) {
		return errors.New("there is none; \"taproot release init\" makes one")
	}
	if r.root, err = load[metadata.RootType](r, metadata.ROOT); err != nil {
		return err
	}
	if r.targets, err = load[metadata.TargetsType](r, metadata.TARGETS); err != nil {
		return err
	}
	if d := r.targets.Signed.Delegations; d == nil || len(d.Roles) != 1 || d.Roles[0].Name != release.Role {
		return fmt.Errorf("targets do not delegate to %q alone", release.Role)
	}
	if r.releases, err = load[metadata.TargetsType](r, release.Role); err != nil {
		return err
	}
	expires := r.now().Add(lifetime).UTC().Truncate(time.Second)
	if r.snapshot, err = load[metadata.SnapshotType](r, metadata.SNAPSHOT); errors.Is(err, fs.ErrNotExist) {
		r.snapshot, err = metadata.Snapshot(expires), nil
		r.snapshot.Signed.Version = 0
	}
	if err != nil {
		return err
	}
	data, err := os.ReadFile(r.path(release.MetadataName(metadata.TIMESTAMP, 0)))
	if errors.Is(err, fs.ErrNotExist) {
		r.timestamp = metadata.Timestamp(expires)
		r.timestamp.Signed.Version = 0
		return nil
	}
	if err == nil {
		r.timestamp, err = metadata.Timestamp().FromBytes(data)
	}
	return err
}

// load reads the newest metadata of a role. Its own signatures are checked by
// who uses it: here it is what this user has written.
func load[T metadata.Roles](r *Repo, role string) (*metadata.Metadata[T], error) {
	files, err := filepath.Glob(r.path("metadata/*." + role + ".json"))
	if err != nil {
		return nil, err
	}
	newest := int64(0)
	for _, f := range files {
		var v int64
		if n, _ := fmt.Sscanf(filepath.Base(f), "%d."+role+".json", &v); n == 1 {
			newest = max(newest, v)
		}
	}
	if newest == 0 {
		return nil, fmt.Errorf("metadata of role %s: %w", role, fs.ErrNotExist)
	}
	return new(metadata.Metadata[T]).FromFile(r.path(release.MetadataName(role, newest)))
}

// List returns the releases, the oldest first.
func (r *Repo) List() (list []Named) {
	for _, name := range slices.Sorted(maps.Keys(r.releases.Signed.Targets)) {
		if rel, ok := release.ParseRelease(r.releases.Signed.Targets[name].Custom); ok {
			list = append(list, Named{name, rel})
		}
	}
	slices.SortStableFunc(list, func(a, b Named) int { return int(a.Counter) - int(b.Counter) })
	return list
}

// Rekey makes a new release key in dir, which two root keys put in the place of
// the old one. Whoever has the old one signs nothing any more.
func (r *Repo) Rekey(dir string) error {
	k, err := createKey(dir, releaseKey)
	if err == nil {
		r.Keys = append([]string{dir}, r.Keys...)
		r.delegate(k)
		r.root.Signed.Version++
		r.targets.Signed.Version++
		r.releases.Signed.Version++
		r.stampRoot()
		err = r.signByRoot()
	}
	if err == nil {
		err = r.signReleases()
	}
	if err != nil {
		return fmt.Errorf("changing the release key: %w", err)
	}
	return nil
}

// ReadRoot reads a root for an image, and checks that its own keys have signed it.
func ReadRoot(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading root of releases: %w", err)
	}
	root, err := metadata.Root().FromBytes(data)
	if err == nil {
		err = root.VerifyDelegate(metadata.ROOT, root)
	}
	if err != nil {
		return nil, fmt.Errorf("reading root of releases %s: %w", path, err)
	}
	return data, nil
}

// addTarget makes data a target.
func (r *Repo) addTarget(name string, data []byte) (*metadata.TargetFiles, error) {
	t, err := metadata.TargetFile().FromBytes(name, data, "sha256")
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	if err := durable.WriteFile(r.path(release.TargetName(sum[:], name)), data, 0o644); err != nil {
		return nil, err
	}
	r.releases.Signed.Targets[name] = t
	return t, nil
}

// readTarget returns what a target holds.
func (r *Repo) readTarget(name string) ([]byte, error) {
	t := r.releases.Signed.Targets[name]
	if t == nil {
		return nil, fmt.Errorf("no target %q", name)
	}
	data, err := os.ReadFile(r.path(release.TargetName(t.Hashes["sha256"], name)))
	if err == nil {
		err = t.VerifyLengthHashes(data)
	}
	return data, err
}

// Size returns the bytes of a target.
func (r *Repo) Size(target string) int64 {
	if t := r.releases.Signed.Targets[target]; t != nil {
		return t.Length
	}
	return 0
}
