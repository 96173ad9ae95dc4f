package release

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	tuf "github.com/theupdateframework/go-tuf/v2/metadata"
)

var fuzzRoles = []string{RoleRoot, RoleTimestamp, RoleSnapshot, RoleTargets, Role}

// FuzzTrust has a file of a repository say anything, with the signatures of those
// who may: what is taken is taken by go-tuf as well, and means the same to it.
func FuzzTrust(f *testing.F) {
	good := newFiles(f)
	for i, role := range fuzzRoles {
		var top map[string]json.RawMessage
		if err := json.Unmarshal(good[testNames[role]], &top); err != nil {
			f.Fatal(err)
		}
		f.Add(i, []byte(top["signed"]))
	}
	f.Fuzz(func(t *testing.T, which int, signed []byte) {
		if which < 0 || which >= len(fuzzRoles) || len(signed) > MaxMetadata {
			return
		}
		role := fuzzRoles[which]
		payload := signed
		if v, err := parseJSON(signed); err == nil {
			payload = appendCanonical(nil, v)
		}
		var file bytes.Buffer
		fmt.Fprintf(&file, `{"signatures":[`)
		for i, name := range testSigners[role] {
			if i > 0 {
				file.WriteByte(',')
			}
			fmt.Fprintf(&file, `{"keyid":%q,"sig":%q}`, testKeyID(t, name), hex.EncodeToString(ed25519.Sign(testKey(name), payload)))
		}
		fmt.Fprintf(&file, `],"signed":%s}`, signed)
		next := maps.Clone(good)
		next[testNames[role]] = file.Bytes()
		ours, theirs, ourErr, theirErr := both(t, next)
		if ourErr != nil || ours == theirs && theirErr == nil {
			return
		}
		if !sameWritten(role, file.Bytes()) {
			return // go-tuf signs what it has understood, and this it writes otherwise
		}
		t.Errorf("taken as %q; go-tuf says %q, %v", ours, theirs, theirErr)
	})
}

// sameWritten reports whether go-tuf, having read a file, writes what was signed
// as it was.
func sameWritten(role string, data []byte) bool {
	var top map[string]json.RawMessage
	if json.Unmarshal(data, &top) != nil {
		return false
	}
	want, err := cjson.EncodeCanonical(top["signed"])
	if err != nil {
		return false
	}
	var got []byte
	switch role {
	case RoleRoot:
		got = rewritten[tuf.RootType](data)
	case RoleTimestamp:
		got = rewritten[tuf.TimestampType](data)
	case RoleSnapshot:
		got = rewritten[tuf.SnapshotType](data)
	default:
		got = rewritten[tuf.TargetsType](data)
	}
	return bytes.Equal(got, want)
}

func rewritten[T tuf.Roles](data []byte) []byte {
	m, err := new(tuf.Metadata[T]).FromBytes(data)
	if err != nil {
		return nil
	}
	out, err := cjson.EncodeCanonical(m.Signed)
	if err != nil {
		return nil
	}
	return out
}

// FuzzCanonical compares what is signed with go-tuf's library.
func FuzzCanonical(f *testing.F) {
	f.Add([]byte(`{"b":[1,-2,"\u00e4\n\\\"/",null],"a":{"":true}}`))
	f.Add([]byte(`"\ud800"`))
	f.Add([]byte(`[-0,1e3,1.0,00]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := parseJSON(data)
		if err != nil {
			return
		}
		want, err := cjson.EncodeCanonical(json.RawMessage(data))
		if got := appendCanonical(nil, v); err != nil || !bytes.Equal(got, want) {
			t.Errorf("got %q, want %q, %v", got, want, err)
		}
	})
}
