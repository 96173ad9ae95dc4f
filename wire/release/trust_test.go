package release

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/sigstore/sigstore/pkg/signature"
	tuf "github.com/theupdateframework/go-tuf/v2/metadata"
)

// signedAtTest is when the test's metadata was signed, and expiresTest when it is
// over: dates decide nothing but by comparison.
var (
	signedAtTest = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	expiresTest  = time.Date(2036, 9, 1, 12, 0, 0, 0, time.UTC)
)

const targetTest = "pc-1.slot.zst"

// testKey returns the private key of a name, the same each time.
func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func testKeyID(t testing.TB, name string) string {
	t.Helper()
	key, err := tuf.KeyFromPublicKey(testKey(name).Public())
	if err != nil {
		t.Fatal(err)
	}
	id, err := key.ID()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// testSigners says whose keys sign a role in the test's metadata.
var testSigners = map[string][]string{
	RoleRoot: {"root-1", "root-2"}, RoleTargets: {"root-1", "root-2"},
	Role: {"release"}, RoleSnapshot: {"online"}, RoleTimestamp: {"online"},
}

// files are what a collector has, by their names.
type files map[string][]byte

var testNames = map[string]string{
	RoleRoot: MetadataName(RoleRoot, 1), RoleTimestamp: MetadataName(RoleTimestamp, 0), RoleSnapshot: MetadataName(RoleSnapshot, 1),
	RoleTargets: MetadataName(RoleTargets, 1), Role: MetadataName(Role, 1),
}

// sign returns metadata that go-tuf has made, signed by it.
func sign[T tuf.Roles](t testing.TB, m *tuf.Metadata[T], role string) []byte {
	t.Helper()
	for _, name := range testSigners[role] {
		signer, err := signature.LoadED25519Signer(testKey(name))
		if err == nil {
			_, err = m.Sign(signer)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	data, err := m.ToBytes(false)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// newFiles returns a repository as package releases makes one, by go-tuf.
func newFiles(t testing.TB) files {
	t.Helper()
	key := func(name string) *tuf.Key {
		k, err := tuf.KeyFromPublicKey(testKey(name).Public())
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	stamp := map[string]any{SignedAt: signedAtTest.Unix()}
	root := tuf.Root(expiresTest)
	root.Signed.UnrecognizedFields = stamp
	for role, names := range map[string][]string{
		RoleRoot: {"root-1", "root-2", "root-3"}, RoleTargets: {"root-1", "root-2", "root-3"}, RoleSnapshot: {"online"}, RoleTimestamp: {"online"},
	} {
		for _, name := range names {
			if err := root.Signed.AddKey(key(name), role); err != nil {
				t.Fatal(err)
			}
		}
		root.Signed.Roles[role].Threshold = min(len(names), 2)
	}
	targets := tuf.Targets(expiresTest)
	id := testKeyID(t, "release")
	targets.Signed.Delegations = &tuf.Delegations{
		Keys:  map[string]*tuf.Key{id: key("release")},
		Roles: []tuf.DelegatedRole{{Name: Role, KeyIDs: []string{id}, Threshold: 1, Terminating: true, Paths: []string{"*"}}},
	}
	releases := tuf.Targets(expiresTest)
	file, err := tuf.TargetFile().FromBytes(targetTest, []byte("a slot"), "sha256")
	if err != nil {
		t.Fatal(err)
	}
	custom := json.RawMessage(`{"board":"pc","release":"1 \"ä\" \\ \u0007 <&>","counter":1,"slot":"` + strings.Repeat("0f", 32) + `","size":6,"time":1}`)
	file.Custom = &custom
	releases.Signed.Targets[targetTest] = file
	snapshot := tuf.Snapshot(expiresTest)
	snapshot.Signed.Meta = map[string]*tuf.MetaFiles{"targets.json": tuf.MetaFile(1), Role + ".json": tuf.MetaFile(1)}
	timestamp := tuf.Timestamp(expiresTest)
	timestamp.Signed.Meta = map[string]*tuf.MetaFiles{"snapshot.json": tuf.MetaFile(1)}
	timestamp.Signed.UnrecognizedFields = stamp
	return files{
		testNames[RoleRoot]:      sign(t, root, RoleRoot),
		testNames[RoleTargets]:   sign(t, targets, RoleTargets),
		testNames[Role]:          sign(t, releases, Role),
		testNames[RoleSnapshot]:  sign(t, snapshot, RoleSnapshot),
		testNames[RoleTimestamp]: sign(t, timestamp, RoleTimestamp),
	}
}

// resign signs metadata anew as keys' owners could, hostile or not: what is
// signed is the canonical form that go-tuf's library gives it.
func resign(t testing.TB, signed any, names ...string) []byte {
	t.Helper()
	payload, err := cjson.EncodeCanonical(signed)
	if err != nil {
		t.Fatal(err)
	}
	var signatures []map[string]string
	for _, name := range names {
		signatures = append(signatures, map[string]string{"keyid": testKeyID(t, name), "sig": hex.EncodeToString(ed25519.Sign(testKey(name), payload))})
	}
	data, err := json.Marshal(map[string]any{"signed": signed, "signatures": signatures})
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// change changes what is signed in a file and has it signed by those who may.
func (f files) change(t testing.TB, role string, how func(signed map[string]any)) files {
	t.Helper()
	return f.put(t, testNames[role], f.signed(t, testNames[role], how), testSigners[role]...)
}

func (f files) signed(t testing.TB, name string, how func(signed map[string]any)) map[string]any {
	t.Helper()
	var top map[string]any
	d := json.NewDecoder(strings.NewReader(string(f[name])))
	d.UseNumber()
	if err := d.Decode(&top); err != nil {
		t.Fatal(err)
	}
	signed := top["signed"].(map[string]any)
	how(signed)
	return signed
}

func (f files) put(t testing.TB, name string, signed any, by ...string) files {
	t.Helper()
	next := maps.Clone(f)
	next[name] = resign(t, signed, by...)
	return next
}

// edit replaces text in a file; nobody signs that.
func (f files) edit(role, old, new string) files {
	next := maps.Clone(f)
	next[testNames[role]] = []byte(strings.Replace(string(f[testNames[role]]), old, new, 1))
	return next
}

// follow takes what a collector has, as package update does, and returns what is
// said of the target.
func (t *Trust) follow(f files) (string, error) {
	for f[MetadataName(RoleRoot, t.NextRoot())] != nil {
		if err := t.UpdateRoot(f[MetadataName(RoleRoot, t.NextRoot())]); err != nil {
			return "", err
		}
	}
	if err := t.UpdateTimestamp(f[MetadataName(RoleTimestamp, 0)]); err != nil {
		return "", err
	}
	if err := t.UpdateSnapshot(f[MetadataName(RoleSnapshot, t.SnapshotVersion())]); err != nil {
		return "", err
	}
	for _, role := range []string{RoleTargets, Role} {
		if err := t.UpdateTargets(role, f[MetadataName(role, t.TargetsVersion(role))]); err != nil {
			return "", err
		}
	}
	target, err := t.Target(targetTest)
	if err != nil {
		return "", err
	}
	r, _ := ParseRelease(target.Custom)
	return fmt.Sprintf("%d %x %+v", target.Length, target.SHA256, r), nil
}

func TestTrust(t *testing.T) {
	f := newFiles(t)
	trust, err := NewTrust(f[testNames[RoleRoot]])
	if err != nil {
		t.Fatal(err)
	}
	got, err := trust.follow(f)
	if err != nil || !strings.Contains(got, `1 "ä" \ `) {
		t.Fatalf("got %q, %v", got, err)
	}
	target, err := trust.Target(targetTest)
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Check([]byte("a slot")); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{"a slo", "a slot.", "a slut"} {
		if target.Check([]byte(wrong)) == nil {
			t.Errorf("%q passes as the target", wrong)
		}
	}
	if _, err := trust.Target("another"); err == nil {
		t.Error("a target that nobody named is there")
	}
}

// Files that come before what names them are not taken.
func TestTrustOrder(t *testing.T) {
	f := newFiles(t)
	trust, err := NewTrust(f[testNames[RoleRoot]])
	if err != nil {
		t.Fatal(err)
	}
	if trust.UpdateSnapshot(f[testNames[RoleSnapshot]]) == nil || trust.UpdateTargets(RoleTargets, f[testNames[RoleTargets]]) == nil {
		t.Error("taken without a timestamp")
	}
	if err := trust.UpdateTimestamp(f[testNames[RoleTimestamp]]); err != nil {
		t.Fatal(err)
	}
	if err := trust.UpdateSnapshot(f[testNames[RoleSnapshot]]); err != nil {
		t.Fatal(err)
	}
	if trust.UpdateTargets(Role, f[testNames[Role]]) == nil {
		t.Error("releases taken without targets")
	}
	if _, err := trust.Target(targetTest); err == nil {
		t.Error("a target without releases")
	}
}

// signature returns the text of the one signature of a file.
func (f files) signature(t testing.TB, role string) string {
	t.Helper()
	m, err := parseMetadata(f[testNames[role]], RoleTargets)
	if err != nil {
		t.Fatal(err)
	}
	for _, sig := range m.signatures {
		return hex.EncodeToString(sig)
	}
	return ""
}

func publicOf(name string) map[string]any {
	return map[string]any{"keytype": "ed25519", "scheme": "ed25519", "keyval": map[string]any{"public": hex.EncodeToString(testKey(name).Public().(ed25519.PublicKey))}}
}

func sumText(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Metadata of a library in another language is taken, and what was changed in it
// is not.
func TestTrustForeign(t *testing.T) {
	paths, err := filepath.Glob("testdata/tuf-js/*.json")
	if err != nil || len(paths) != 6 {
		t.Fatalf("got %q, %v", paths, err)
	}
	f := files{}
	for _, path := range paths {
		if f["metadata/"+filepath.Base(path)], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	ours, theirs, ourErr, theirErr := both(t, f)
	if ourErr != nil || theirErr != nil || ours != theirs || !strings.Contains(ours, `Käse "1"`) {
		t.Errorf("ours says %q, %v; go-tuf says %q, %v", ours, ourErr, theirs, theirErr)
	}
	for name := range f {
		changed := maps.Clone(f)
		changed[name] = []byte(strings.Replace(string(f[name]), `"expires": "2036`, `"expires": "2037`, 1))
		if _, _, ourErr, theirErr := both(t, changed); ourErr == nil || theirErr == nil {
			t.Errorf("%s is changed and taken: %v; by go-tuf: %v", name, ourErr, theirErr)
		}
	}
}
