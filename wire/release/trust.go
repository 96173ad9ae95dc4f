package release

import (
	"errors"
	"fmt"
	"time"
)

// A Trust is the metadata that a sensor has verified, beginning with a root that
// it was given. It is the client's part of the TUF specification 1.0.31, section
// 5, without I/O: who holds it fetches files and offers them in the order
// root…, timestamp, snapshot, targets, releases. What is refused changes
// nothing, but that a timestamp which is refused as expired tells the time.
//
// It differs from the specification in three things. Expiry is compared with the
// latest time at which something that was verified says it was signed, and not
// with a clock (section 5.2). There is one delegation, from targets to releases,
// for all paths (section 5.6.7). Keys are Ed25519 alone.
//
// The zero Trust trusts nothing. One goroutine uses it at a time.
type Trust struct {
	root, timestamp, snapshot *metadata
	targets, releases         *metadata // valid iff they are what snapshot names
	reference                 time.Time
}

// NewTrust returns the trust in a root that has signed itself (section 5.2).
// That it is expired does not matter yet.
func NewTrust(root []byte) (*Trust, error) {
	m, err := parseMetadata(root, RoleRoot)
	if err == nil {
		err = m.authority(RoleRoot).check(m)
	}
	if err != nil {
		return nil, fmt.Errorf("root: %w", err)
	}
	t := &Trust{root: m}
	t.passed(m)
	return t, nil
}

// passed notes that the time at which m was signed is over.
func (t *Trust) passed(m *metadata) {
	if at := m.signedAt(); at.After(t.reference) {
		t.reference = at
	}
}

// current returns an error if m is expired.
func (t *Trust) current(m *metadata) error {
	if t.reference.After(m.expires) {
		return fmt.Errorf("expired %s, and something was signed %s", m.expires.Format(time.RFC3339), t.reference.UTC().Format(time.RFC3339))
	}
	return nil
}

// NextRoot returns the version of the root to look for (section 5.3.3).
func (t *Trust) NextRoot() int64 { return t.root.version + 1 }

// UpdateRoot takes the next root: signed by the keys of the one before it and by
// its own, and of the next version (sections 5.3.4 and 5.3.5). A timestamp or
// snapshot that its keys have not signed is forgotten, so that whoever had the
// old keys cannot have made us wait for versions that never come (5.3.11).
func (t *Trust) UpdateRoot(data []byte) error {
	m, err := parseMetadata(data, RoleRoot)
	if err == nil {
		err = t.root.authority(RoleRoot).check(m)
	}
	if err == nil {
		err = m.authority(RoleRoot).check(m)
	}
	if err == nil && m.version != t.NextRoot() {
		err = fmt.Errorf("version %d, want %d", m.version, t.NextRoot())
	}
	if err != nil {
		return fmt.Errorf("root %d: %w", t.NextRoot(), err)
	}
	t.root, t.targets, t.releases = m, nil, nil
	t.passed(m)
	if t.timestamp != nil && m.authority(RoleTimestamp).check(t.timestamp) != nil ||
		t.snapshot != nil && m.authority(RoleSnapshot).check(t.snapshot) != nil {
		t.timestamp, t.snapshot = nil, nil
	}
	return nil
}

// UpdateTimestamp takes a timestamp that is signed, does not go back, and is not
// expired, nor the root (sections 5.3.10 and 5.4.2 to 5.4.4). Of one with the
// version of the last, the last stays.
func (t *Trust) UpdateTimestamp(data []byte) error {
	if err := t.updateTimestamp(data); err != nil {
		return fmt.Errorf("timestamp: %w", err)
	}
	return nil
}

func (t *Trust) updateTimestamp(data []byte) error {
	if err := t.current(t.root); err != nil {
		return fmt.Errorf("root %d: %w", t.root.version, err)
	}
	m, err := parseMetadata(data, RoleTimestamp)
	if err != nil {
		return err
	}
	if err := t.root.authority(RoleTimestamp).check(m); err != nil {
		return err
	}
	snapshot, _, err := m.pinned(RoleSnapshot)
	if err != nil {
		return err
	}
	if old := t.timestamp; old != nil {
		if m.version < old.version {
			return fmt.Errorf("version %d, and %d was seen", m.version, old.version)
		}
		if m.version == old.version {
			m = old
		} else if before, _, err := old.pinned(RoleSnapshot); err == nil && snapshot < before {
			return fmt.Errorf("names snapshot %d, and %d was seen", snapshot, before)
		}
	}
	t.passed(m)
	if err := t.current(m); err != nil {
		return err
	}
	t.timestamp, t.targets, t.releases = m, nil, nil
	return nil
}

var errOrder = errors.New("what names it was not taken yet")

// SnapshotVersion returns the version that the timestamp names, 0 before there
// is one.
func (t *Trust) SnapshotVersion() (version int64) {
	if t.timestamp != nil {
		version, _, _ = t.timestamp.pinned(RoleSnapshot)
	}
	return version
}

// UpdateSnapshot takes the snapshot that the timestamp names, if it is signed,
// names all that is needed, no role in it goes back or is missing, and it is not
// expired (sections 5.5.2 to 5.5.6).
func (t *Trust) UpdateSnapshot(data []byte) error {
	if err := t.updateSnapshot(data); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	return nil
}

func (t *Trust) updateSnapshot(data []byte) error {
	if t.timestamp == nil {
		return errOrder
	}
	m, err := t.pinnedBy(t.timestamp, data, RoleSnapshot, RoleSnapshot, t.root.authority(RoleSnapshot))
	if err != nil {
		return err
	}
	for _, named := range []string{RoleTargets, Role} {
		if _, _, err := m.pinned(named); err != nil {
			return err
		}
	}
	if t.snapshot != nil {
		for file := range t.snapshot.signed.object("meta") {
			before := t.snapshot.signed.object("meta").object(file).number("version")
			if now := m.signed.object("meta").object(file).number("version"); now < before {
				return fmt.Errorf("names version %d of %.80q, and %d was seen", now, file, before)
			}
		}
	}
	t.snapshot, t.targets, t.releases = m, nil, nil
	return nil
}

// pinnedBy reads and verifies metadata that by names: its hashes, signatures,
// version and expiry, in the order of sections 5.5 and 5.6.
func (t *Trust) pinnedBy(by *metadata, data []byte, role, kind string, who authority) (*metadata, error) {
	version, meta, err := by.pinned(role)
	if err != nil {
		return nil, err
	}
	if err := checkFile(data, meta); err != nil {
		return nil, err
	}
	m, err := parseMetadata(data, kind)
	if err != nil {
		return nil, err
	}
	if err := who.check(m); err != nil {
		return nil, err
	}
	if m.version != version {
		return nil, fmt.Errorf("version %d, want %d", m.version, version)
	}
	return m, t.current(m)
}

// TargetsVersion returns the version of a targets role, RoleTargets or Role, that
// the snapshot names, 0 before there is one.
func (t *Trust) TargetsVersion(role string) (version int64) {
	if t.snapshot != nil {
		version, _, _ = t.snapshot.pinned(role)
	}
	return version
}

// UpdateTargets takes the metadata of RoleTargets, and behind it that of Role, to
// which it delegates, as the snapshot names them (sections 5.6.2 to 5.6.5).
func (t *Trust) UpdateTargets(role string, data []byte) error {
	if err := t.updateTargets(role, data); err != nil {
		return fmt.Errorf("%s: %w", role, err)
	}
	return nil
}

func (t *Trust) updateTargets(role string, data []byte) error {
	// After a new timestamp, the snapshot of the one before is there but not
	// what it names.
	if t.snapshot == nil || t.snapshot.version != t.SnapshotVersion() || role == Role && t.targets == nil {
		return errOrder
	}
	if err := t.current(t.snapshot); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	who := t.root.authority(RoleTargets)
	if role == Role {
		who = t.targets.delegated(Role)
	}
	m, err := t.pinnedBy(t.snapshot, data, role, RoleTargets, who)
	if err != nil {
		return err
	}
	if role == Role {
		t.releases = m
	} else {
		t.targets, t.releases = m, nil
	}
	return nil
}

// Target returns what the releases say of a target.
func (t *Trust) Target(name string) (Target, error) {
	if t.releases == nil {
		return Target{}, errOrder
	}
	return t.releases.target(name)
}
