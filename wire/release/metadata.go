package release

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// The top-level roles of TUF (specification, section 2.1). Role is the one that
// targets delegates to.
const (
	RoleRoot      = "root"
	RoleTimestamp = "timestamp"
	RoleSnapshot  = "snapshot"
	RoleTargets   = "targets"
)

// expiresLayout is how metadata writes times (section 4.1).
const expiresLayout = "2006-01-02T15:04:05Z"

// object is a JSON object. Its methods return zero for what is not there, or is
// of another type; names are taken as they are written.
type object map[string]any

func (o object) object(name string) object { v, _ := o[name].(map[string]any); return v }
func (o object) list(name string) []any    { v, _ := o[name].([]any); return v }
func (o object) text(name string) string   { v, _ := o[name].(string); return v }
func (o object) number(name string) int64  { v, _ := o[name].(int64); return v }

// metadata is one file of it (section 4.2.1). Nobody has signed it until
// authority.check says so.
type metadata struct {
	signed     object
	payload    []byte            // what signatures are over: signed, as canonical JSON
	signatures map[string][]byte // by key ID
	version    int64
	expires    time.Time
}

// parseMetadata reads the metadata of a role; kind is its _type.
func parseMetadata(data []byte, kind string) (*metadata, error) {
	v, err := parseJSON(data)
	if err != nil {
		return nil, err
	}
	top, _ := v.(map[string]any)
	m := &metadata{signed: object(top).object("signed"), signatures: map[string][]byte{}}
	if got := m.signed.text("_type"); got != kind {
		return nil, fmt.Errorf("_type is %.40q, want %q", got, kind)
	}
	if got := m.signed.text("spec_version"); !strings.HasPrefix(got, "1.") {
		return nil, fmt.Errorf("spec_version is %.40q, want 1", got)
	}
	if m.version = m.signed.number("version"); m.version < 1 {
		return nil, errors.New("version is not a number from 1")
	}
	if m.expires, err = time.Parse(expiresLayout, m.signed.text("expires")); err != nil || m.expires.Format(expiresLayout) != m.signed.text("expires") {
		return nil, fmt.Errorf("expires is %.40q, want a time like %q", m.signed.text("expires"), expiresLayout)
	}
	for _, item := range object(top).list("signatures") {
		s, _ := item.(map[string]any)
		id := object(s).text("keyid")
		if _, twice := m.signatures[id]; twice || id == "" {
			return nil, fmt.Errorf("two signatures, or none, by key %.80q", id)
		}
		sig, err := hex.DecodeString(object(s).text("sig"))
		if err != nil {
			return nil, fmt.Errorf("signature by key %.80q: %w", id, err)
		}
		m.signatures[id] = sig
	}
	m.payload = appendCanonical(nil, map[string]any(m.signed))
	return m, nil
}

// signedAt returns when the metadata was signed; zero where it does not say.
func (m *metadata) signedAt() time.Time {
	if at := m.signed.number(SignedAt); at > 0 && at < 1<<40 {
		return time.Unix(at, 0)
	}
	return time.Time{}
}

// pinned returns what timestamp or snapshot says of a role's metadata (sections
// 4.4 and 4.5).
func (m *metadata) pinned(role string) (version int64, meta object, err error) {
	meta = m.signed.object("meta").object(role + ".json")
	if version = meta.number("version"); version < 1 {
		return 0, nil, fmt.Errorf("says no version of %s", role)
	}
	return version, meta, nil
}

// checkFile returns an error unless data is the file that meta describes.
// Length and hashes need not be there; a file is refused whose hashes have no
// SHA-256.
func checkFile(data []byte, meta object) error {
	if n := meta.number("length"); n != 0 && n != int64(len(data)) {
		return fmt.Errorf("%d bytes, want %d", len(data), n)
	}
	if meta["hashes"] == nil {
		return nil
	}
	got := sha256.Sum256(data)
	if want, err := hex.DecodeString(meta.object("hashes").text("sha256")); err != nil || !bytes.Equal(got[:], want) {
		return fmt.Errorf("SHA-256 is %x, want %.64q", got, meta.object("hashes").text("sha256"))
	}
	return nil
}

// An authority is who may sign the metadata of a role.
type authority struct {
	keys      object // by key ID, of the delegating role
	keyIDs    []any
	threshold int64
}

// authority returns who may sign for a top-level role, as this root says
// (section 4.3).
func (m *metadata) authority(role string) authority {
	r := m.signed.object("roles").object(role)
	return authority{m.signed.object("keys"), r.list("keyids"), r.number("threshold")}
}

// delegated returns who may sign for a role that these targets delegate all to
// (section 4.6). Nobody may if it is not for all paths.
func (m *metadata) delegated(role string) authority {
	d := m.signed.object("delegations")
	for _, item := range d.list("roles") {
		if r, _ := item.(map[string]any); object(r).text("name") == role {
			if paths := object(r).list("paths"); len(paths) != 1 || paths[0] != "*" {
				break
			}
			return authority{d.object("keys"), object(r).list("keyids"), object(r).number("threshold")}
		}
	}
	return authority{}
}

// check returns an error unless at least threshold of the keys have signed m.
// Keys count and not their IDs, so that a key with two IDs is one (section
// 5.3.4 and its like). Ed25519 is the only scheme.
func (a authority) check(m *metadata) error {
	if a.threshold < 1 || len(a.keyIDs) == 0 {
		return errors.New("nobody may sign it")
	}
	good := map[string]bool{}
	for _, item := range a.keyIDs {
		id, _ := item.(string)
		key := a.keys.object(id)
		public, err := hex.DecodeString(key.object("keyval").text("public"))
		if err != nil || len(public) != ed25519.PublicKeySize || key.text("keytype") != "ed25519" || key.text("scheme") != "ed25519" {
			return fmt.Errorf("key %.80q is not there, or not Ed25519", id)
		}
		if sig := m.signatures[id]; ed25519.Verify(public, m.payload, sig) {
			good[string(public)] = true
		}
	}
	if int64(len(good)) < a.threshold {
		return fmt.Errorf("%d good signatures, want %d", len(good), a.threshold)
	}
	return nil
}

// A Target is a file that releases are made of (section 4.6).
type Target struct {
	Length int64
	SHA256 [sha256.Size]byte
	Custom *json.RawMessage // nil where there is none
}

// target returns what targets say of a file.
func (m *metadata) target(name string) (t Target, err error) {
	file := m.signed.object("targets").object(name)
	if file == nil {
		return t, errors.New("no metadata names it")
	}
	sum, err := hex.DecodeString(file.object("hashes").text("sha256"))
	if t.Length = file.number("length"); err != nil || len(sum) != len(t.SHA256) || t.Length <= 0 || t.Length > MaxTarget {
		return t, errors.New("metadata of it has no SHA-256, or no size that can be")
	}
	copy(t.SHA256[:], sum)
	if custom, ok := file["custom"]; ok {
		text, err := json.Marshal(custom)
		if err != nil {
			return t, err
		}
		t.Custom = (*json.RawMessage)(&text)
	}
	return t, nil
}

// Check returns an error unless data is the target.
func (t Target) Check(data []byte) error {
	if int64(len(data)) != t.Length {
		return fmt.Errorf("%d bytes, want %d", len(data), t.Length)
	}
	if got := sha256.Sum256(data); got != t.SHA256 {
		return fmt.Errorf("SHA-256 is %x, want %x", got, t.SHA256)
	}
	return nil
}
