package release

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	tuf "github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/trustedmetadata"
)

// An oracle verifies as the sensor does, by go-tuf.
type oracle struct {
	root                []byte
	timestamp, snapshot []byte // the last that were good
	signed              time.Time
}

func (o *oracle) passed(fields map[string]any) time.Time {
	if at, ok := fields[SignedAt].(float64); ok && at > 0 && at < 1<<40 {
		if t := time.Unix(int64(at), 0); t.After(o.signed) {
			o.signed = t
		}
	}
	return o.signed
}

func (o *oracle) follow(f files) (what string, err error) {
	defer func() { // its Ed25519 verifier panics on a key of another length
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	t, err := trustedmetadata.New(o.root)
	if err != nil {
		return "", err
	}
	for {
		data := f[MetadataName(RoleRoot, t.Root.Signed.Version+1)]
		if data == nil {
			break
		}
		if _, err := t.UpdateRoot(data); err != nil {
			return "", err
		}
		o.root = data
		o.passed(t.Root.Signed.UnrecognizedFields)
	}
	t.RefTime = o.passed(t.Root.Signed.UnrecognizedFields)
	if o.timestamp != nil {
		t.UpdateTimestamp(o.timestamp)
	}
	timestamp := f[MetadataName(RoleTimestamp, 0)]
	if _, err := t.UpdateTimestamp(timestamp); err != nil && !errors.Is(err, &tuf.ErrEqualVersionNumber{}) {
		return "", err
	}
	t.RefTime = o.passed(t.Timestamp.Signed.UnrecognizedFields)
	pinned := t.Timestamp.Signed.Meta["snapshot.json"]
	if pinned == nil {
		return "", errors.New("names no snapshot")
	}
	if o.snapshot != nil {
		t.UpdateSnapshot(o.snapshot, true)
	}
	snapshot := f[MetadataName(RoleSnapshot, pinned.Version)]
	if _, err := t.UpdateSnapshot(snapshot, false); err != nil {
		return "", err
	}
	for _, role := range []struct{ name, parent string }{{RoleTargets, RoleRoot}, {Role, RoleTargets}} {
		pinned := t.Snapshot.Signed.Meta[role.name+".json"]
		if pinned == nil {
			return "", errors.New("names no " + role.name)
		}
		if _, err := t.UpdateDelegatedTargets(f[MetadataName(role.name, pinned.Version)], role.name, role.parent); err != nil {
			return "", err
		}
	}
	o.timestamp, o.snapshot = timestamp, snapshot
	target := t.Targets[Role].Signed.Targets[targetTest]
	if target == nil || len(target.Hashes["sha256"]) != 32 || target.Length <= 0 || target.Length > MaxTarget {
		return "", errors.New("no such target")
	}
	r, _ := ParseRelease(target.Custom)
	return fmt.Sprintf("%d %x %+v", target.Length, []byte(target.Hashes["sha256"]), r), nil
}

// both returns what ours and go-tuf say of the repositories that a sensor sees
// one after the other, the last one's word.
func both(t testing.TB, seen ...files) (ours, theirs string, ourErr, theirErr error) {
	t.Helper()
	root := seen[0][testNames[RoleRoot]]
	o := &oracle{root: root}
	trust, err := NewTrust(root)
	for _, f := range seen {
		if theirs, theirErr = o.follow(f); err != nil {
			ourErr = err
			continue
		}
		ours, ourErr = trust.follow(f)
	}
	return ours, theirs, ourErr, theirErr
}

type obj = map[string]any

func in(o obj, path ...string) obj {
	for _, p := range path {
		o = o[p].(obj)
	}
	return o
}

// rotated returns the repository with a second root, changed by how and signed by
// names.
func (f files) rotated(t testing.TB, how func(obj), names ...string) files {
	return f.put(t, MetadataName(RoleRoot, 2), f.signed(t, testNames[RoleRoot], func(s obj) {
		s["version"] = 2
		if how != nil {
			how(s)
		}
	}), names...)
}

// A difference is a repository, or several that are seen one after the other.
type difference struct {
	name string
	seen []files
	good bool
}

func differences(t *testing.T) (all []difference) {
	f := newFiles(t)
	add := func(good bool, name string, seen ...files) {
		all = append(all, difference{name, seen, good})
	}
	set := func(role, field string, v any) files {
		return f.change(t, role, func(s obj) { s[field] = v })
	}
	add(true, "as it is", f)
	spaced := files{}
	for name, data := range f {
		var b bytes.Buffer
		if err := json.Indent(&b, data, " ", "\t"); err != nil {
			t.Fatal(err)
		}
		spaced[name] = b.Bytes()
	}
	add(true, "written with space", spaced)
	add(true, "an escaped letter", f.edit(RoleTimestamp, `timestamp`, `\u0074imestamp`))
	add(true, "another field outside of what is signed", f.edit(Role, `{"signatures"`, `{"more":1,"signatures"`))
	for role, names := range testSigners {
		name := testNames[role]
		add(true, role+": another field, signed", set(role, "x-more", []any{"\u00e4\n", nil, true, obj{}}))
		add(false, role+": another field, not signed", f.edit(role, `"signed":{`, `"signed":{"x-more":1,`))
		add(false, role+": another letter", f.edit(role, `spec_version":"1.0.31`, `spec_version":"1.0.32`))
		add(false, role+": no signature", f.put(t, name, f.signed(t, name, func(obj) {})))
		add(false, role+": too few signatures", f.put(t, name, f.signed(t, name, func(obj) {}), names[1:]...))
		add(false, role+": a stranger's signature", f.put(t, name, f.signed(t, name, func(obj) {}), "stranger", "stranger-2"))
		add(true, role+": a stranger's signature beside", f.put(t, name, f.signed(t, name, func(obj) {}), append([]string{"stranger"}, names...)...))
		add(false, role+": one signature twice", f.put(t, name, f.signed(t, name, func(obj) {}), append(names[:1:1], names...)...))
		add(false, role+": another type", set(role, "_type", "mirrors"))
		add(false, role+": type of another role", set(role, "_type", map[bool]string{true: RoleTargets, false: RoleRoot}[role == RoleRoot]))
		add(false, role+": version is text", set(role, "version", "1"))
		add(false, role+": expires is no time", set(role, "expires", "never"))
		add(false, role+": not JSON", f.edit(role, "{", "["))
		add(false, role+": nothing", f.edit(role, string(f[name]), ""))
		add(false, role+": something behind", f.edit(role, string(f[name]), string(f[name])+"{}"))
		if role != RoleRoot {
			add(false, role+": expired when the timestamp was signed", set(role, "expires", signedAtTest.Add(-time.Second).Format(expiresLayout)))
		}
		if role != RoleRoot && role != RoleTimestamp {
			add(false, role+": another version than is named", set(role, "version", 2))
		}
		add(true, role+": expires in that second", set(role, "expires", signedAtTest.Format(expiresLayout)))
	}
	add(false, "root: expired", set(RoleRoot, "expires", signedAtTest.Add(-time.Second).Format(expiresLayout)))
	for role, path := range map[string][]string{RoleRoot: {"roles", "root"}, RoleTimestamp: {"roles", "timestamp"}, RoleSnapshot: {"roles", "snapshot"}, RoleTargets: {"roles", "targets"}} {
		root := func(how func(obj)) files { return f.change(t, RoleRoot, func(s obj) { how(in(s, path...)) }) }
		add(false, "threshold 0 of "+role, root(func(r obj) { r["threshold"] = 0 }))
		add(false, "threshold -1 of "+role, root(func(r obj) { r["threshold"] = -1 }))
		add(false, "threshold above all keys of "+role, root(func(r obj) { r["threshold"] = 9 }))
		add(false, "no keys of "+role, root(func(r obj) { r["keyids"] = []any{} }))
		add(false, "a key that is not there of "+role, root(func(r obj) { r["keyids"] = append(r["keyids"].([]any), "77") }))
		add(false, "no "+role, f.change(t, RoleRoot, func(s obj) { delete(in(s, "roles"), role) }))
		add(false, "a key of another kind of "+role, f.change(t, RoleRoot, func(s obj) {
			in(s, "keys")["77"] = obj{"keytype": "x", "scheme": "ed25519", "keyval": obj{"public": "00"}}
			in(s, path...)["keyids"] = append(in(s, path...)["keyids"].([]any), "77")
		}))
	}
	add(false, "one key with two IDs", f.change(t, RoleTargets, func(s obj) {
		id := testKeyID(t, "release")
		keys := in(s, "delegations", "keys")
		keys["again"] = keys[id]
		r := in(s, "delegations")["roles"].([]any)[0].(obj)
		r["threshold"], r["keyids"] = 2, []any{id, "again"}
	}).edit(Role, `"signatures":[`, `"signatures":[{"keyid":"again","sig":"`+f.signature(t, Role)+`"},`))
	delegation := func(how func(obj)) files {
		return f.change(t, RoleTargets, func(s obj) { how(in(s, "delegations")) })
	}
	add(false, "no delegation", f.change(t, RoleTargets, func(s obj) { delete(s, "delegations") }))
	add(false, "a delegation to another role", delegation(func(d obj) { d["roles"].([]any)[0].(obj)["name"] = "others" }))
	add(false, "a delegation with threshold 0", delegation(func(d obj) { d["roles"].([]any)[0].(obj)["threshold"] = 0 }))
	add(false, "of two delegations the first counts", delegation(func(d obj) {
		first := maps.Clone(d["roles"].([]any)[0].(obj))
		first["keyids"] = []any{}
		d["roles"] = append([]any{first}, d["roles"].([]any)...)
	}))
	for by, of := range map[string][]string{RoleTimestamp: {"snapshot"}, RoleSnapshot: {"targets", Role}} {
		for _, role := range of {
			meta := func(how func(obj)) files {
				return f.change(t, by, func(s obj) { how(in(s, "meta", role+".json")) })
			}
			add(true, role+": its length is named", meta(func(m obj) { m["length"] = len(f[testNames[role]]) }))
			add(false, role+": another length is named", meta(func(m obj) { m["length"] = len(f[testNames[role]]) + 1 }))
			add(true, role+": its hash is named", meta(func(m obj) { m["hashes"] = obj{"sha256": sumText(f[testNames[role]])} }))
			add(false, role+": another hash is named", meta(func(m obj) { m["hashes"] = obj{"sha256": sumText(nil)} }))
			add(false, role+": an unknown hash is named", meta(func(m obj) { m["hashes"] = obj{"crc32": "00000000"} }))
			add(false, role+": another version is named", meta(func(m obj) { m["version"] = 2 }))
			add(false, role+" is not named", f.change(t, by, func(s obj) { delete(in(s, "meta"), role+".json") }))
		}
	}
	target := func(how func(obj)) files {
		return f.change(t, Role, func(s obj) { how(in(s, "targets", targetTest)) })
	}
	add(false, "target without hashes", target(func(o obj) { delete(o, "hashes") }))
	add(false, "target with no hash", target(func(o obj) { o["hashes"] = obj{} }))
	add(false, "target with half a hash", target(func(o obj) { o["hashes"] = obj{"sha256": "00"} }))
	add(false, "target without length", target(func(o obj) { delete(o, "length") }))
	add(false, "target that is too long", target(func(o obj) { o["length"] = MaxTarget + 1 }))
	add(true, "target without a release", target(func(o obj) { delete(o, "custom") }))
	add(false, "no target", f.change(t, Role, func(s obj) { s["targets"] = obj{} }))

	// Roots.
	add(true, "second root", f.rotated(t, nil, "root-1", "root-3"))
	add(false, "second root of one key", f.rotated(t, nil, "root-1"))
	add(false, "second root of version 3", f.rotated(t, func(s obj) { s["version"] = 3 }, "root-1", "root-2"))
	add(false, "second root of version 1", f.rotated(t, func(s obj) { s["version"] = 1 }, "root-1", "root-2"))
	fresh := func(s obj) {
		var ids []any
		for _, name := range []string{"fresh-1", "fresh-2"} {
			in(s, "keys")[testKeyID(t, name)] = publicOf(name)
			ids = append(ids, testKeyID(t, name))
		}
		in(s, "roles", "root")["keyids"] = ids
	}
	add(true, "new root keys", f.rotated(t, fresh, "root-1", "root-2", "fresh-1", "fresh-2"))
	add(false, "new root keys that the old ones do not know of", f.rotated(t, fresh, "fresh-1", "fresh-2"))
	add(false, "new root keys that do not sign", f.rotated(t, fresh, "root-1", "root-2"))
	moved := func(s obj) {
		in(s, "keys")[testKeyID(t, "fresh-1")] = publicOf("fresh-1")
		in(s, "roles", "timestamp")["keyids"] = []any{testKeyID(t, "fresh-1")}
		in(s, "roles", "snapshot")["keyids"] = []any{testKeyID(t, "fresh-1")}
	}
	rotated := f.rotated(t, moved, "root-1", "root-2")
	add(false, "an online key that was removed", rotated)
	by := func(f files, role string) files {
		return f.put(t, testNames[role], f.signed(t, testNames[role], func(obj) {}), "fresh-1")
	}
	add(true, "a new online key", by(by(rotated, RoleTimestamp), RoleSnapshot))
	add(false, "an expired second root", f.rotated(t, func(s obj) { s["expires"] = "2026-01-01T00:00:00Z" }, "root-1", "root-2"))
	past := f.change(t, RoleRoot, func(s obj) { s["expires"] = "2026-01-01T00:00:00Z" })
	add(true, "an expired first root and a good second", past.put(t, MetadataName(RoleRoot, 2), f.signed(t, testNames[RoleRoot], func(s obj) { s["version"] = 2 }), "root-1", "root-2"))

	// What was seen before.
	later := f.later(t, 7)
	add(true, "forward", f, later)
	add(true, "the same again", later, later)
	add(false, "back", later, f)
	stale := f.later(t, 8)
	stale[testNames[RoleTimestamp]] = resign(t, stale.signed(t, testNames[RoleTimestamp], func(s obj) { s["version"] = 6 }), "online")
	add(false, "an older timestamp of a newer snapshot", later, stale)
	renumbered := later.put(t, MetadataName(RoleSnapshot, 6), later.signed(t, MetadataName(RoleSnapshot, 7), func(s obj) { s["version"] = 6 }), "online")
	renumbered[testNames[RoleTimestamp]] = resign(t, later.signed(t, testNames[RoleTimestamp], func(s obj) { s["version"] = 9; in(s, "meta", "snapshot.json")["version"] = 6 }), "online")
	add(false, "an older snapshot of the same releases under a newer timestamp", later, renumbered)
	older := later.put(t, testNames[RoleTimestamp], later.signed(t, testNames[RoleTimestamp], func(s obj) { s["version"] = 9; in(s, "meta", "snapshot.json")["version"] = 1 }), "online")
	older[testNames[RoleSnapshot]] = f[testNames[RoleSnapshot]]
	add(false, "an older snapshot under a newer timestamp", later, older)
	fewer := f.later(t, 9)
	fewer[MetadataName(RoleSnapshot, 9)] = resign(t, fewer.signed(t, MetadataName(RoleSnapshot, 9), func(s obj) { in(s, "meta")["releases.json"] = obj{"version": 1} }), "online")
	fewer[testNames[Role]] = f[testNames[Role]]
	add(false, "older releases under a newer snapshot", later, fewer)
	more := later.put(t, MetadataName(RoleSnapshot, 7), later.signed(t, MetadataName(RoleSnapshot, 7), func(s obj) { in(s, "meta")["more.json"] = obj{"version": 1} }), "online")
	add(false, "a newer snapshot without a role that was in it", more, f.later(t, 9))
	add(true, "a newer snapshot with one more role", f, more)
	add(true, "after a new online key versions begin anew", later, by(by(rotated, RoleTimestamp), RoleSnapshot))
	return all
}

// later returns the repository with another version of all that is online.
func (f files) later(t testing.TB, version int) files {
	next := f.put(t, MetadataName(Role, int64(version)), f.signed(t, testNames[Role], func(s obj) { s["version"] = version }), "release")
	next = next.put(t, MetadataName(RoleSnapshot, int64(version)), f.signed(t, testNames[RoleSnapshot], func(s obj) {
		s["version"] = version
		in(s, "meta")["releases.json"] = obj{"version": version}
	}), "online")
	return next.put(t, testNames[RoleTimestamp], f.signed(t, testNames[RoleTimestamp], func(s obj) {
		s["version"] = version
		in(s, "meta")["snapshot.json"] = obj{"version": version}
	}), "online")
}

// Metadata is taken and refused as go-tuf does.
func TestTrustIsGoTUFs(t *testing.T) {
	for _, d := range differences(t) {
		t.Run(d.name, func(t *testing.T) {
			ours, theirs, ourErr, theirErr := both(t, d.seen...)
			if (ourErr == nil) != (theirErr == nil) || ours != theirs {
				t.Errorf("ours says %q, %v\ngo-tuf says %q, %v", ours, ourErr, theirs, theirErr)
			}
			if (ourErr == nil) != d.good {
				t.Errorf("got error %v, want good to be %v", ourErr, d.good)
			}
		})
	}
}

// What go-tuf takes and we do not: what two readers could understand
// differently, and what no bench of ours writes.
func TestTrustIsStricter(t *testing.T) {
	f := newFiles(t)
	tests := map[string]files{
		"a name twice":                f.edit(RoleTimestamp, `"version":1,`, `"version":1,"version":1,`),
		"a name in other letters":     f.edit(RoleTimestamp, `"version":1,`, `"Version":1,`),
		"an unsigned field of a role": f.edit(RoleRoot, `"threshold":2`, `"threshold":2,"Threshold":2`),
		"a time written otherwise":    f.edit(Role, `T12:00:00Z`, `T12:00:00.000Z`),
		"another specification":       f.change(t, Role, func(s obj) { s["spec_version"] = "2.0.0" }),
		"versions from 0":             f.later(t, 0),
		"too large":                   f.edit(Role, "{", strings.Repeat(" ", MaxMetadata)+"{"),
		"a delegation of some paths": f.change(t, RoleTargets, func(s obj) {
			in(s, "delegations")["roles"].([]any)[0].(obj)["paths"] = []any{"pc-*"}
		}),
		"objects in each other, too often": f.change(t, Role, func(s obj) { s["x"] = nested(maxDepth) }),
		"a number that is no integer":      f.edit(Role, `{"signatures"`, `{"more":1.5,"signatures"`),
		"text that is not UTF-8":           f.edit(Role, `{"signatures"`, "{\"more\":\"\xff\",\"signatures\""),
	}
	for name, files := range tests {
		t.Run(name, func(t *testing.T) {
			ours, _, ourErr, theirErr := both(t, files)
			if ourErr == nil {
				t.Errorf("taken: %s (go-tuf: %v)", ours, theirErr)
			}
		})
	}
}

func nested(depth int) (v any) {
	for range depth {
		v = []any{v}
	}
	return v
}
