// Package release is what a bench, a collector and a sensor agree on about
// releases: what signed metadata says of each, under which names things are
// fetched, and how a sensor asks which release is for it.
//
// The metadata is TUF's (The Update Framework, specification 1.0.31);
// docs/format/update.md has what is ours in it. All here is hostile until it was
// verified, and an Offer always: it names a release, and the signed metadata
// says what that is.
package release

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Role is the delegated role that signs releases.
const Role = "releases"

// Bounds, in bytes where not said otherwise.
const (
	MaxMetadata = 256 << 10 // of one file
	MaxOffer    = 1 << 10
	MaxTarget   = 128 << 20
	MaxName     = 200
	maxFailed   = 8 // digests in a Query
)

// SignedAt is the field of signed metadata that says when it was signed, in Unix
// seconds.
const SignedAt = "x-taproot-signed-at"

// A Release is what signed metadata says of one, in the custom field of the
// target that is its whole image.
type Release struct {
	Board   string `json:"board"`
	Release string `json:"release"` // what people call it
	Counter uint64 `json:"counter"` // of releases, rising

	// Floor is the least counter that may be installed once this release is
	// confirmed; 0 leaves it as it is.
	Floor uint64 `json:"floor,omitempty"`

	Slot    string `json:"slot"`              // SHA-256 of the slot, hex
	Size    int64  `json:"size"`              // bytes of the slot
	Confirm int64  `json:"confirm,omitempty"` // seconds that its trial has; 0 is the default
	Time    int64  `json:"time"`              // when it was signed, Unix seconds

	// Channels are where it is offered; none has every release that is only
	// kept, or was withdrawn.
	Channels []string `json:"channels,omitempty"`

	// Deltas has, by the digest of a slot that runs, the target that is a
	// patch of it.
	Deltas map[string]string `json:"deltas,omitempty"`
}

// In reports whether the release is in a channel.
func (r Release) In(channel string) bool { return slices.Contains(r.Channels, channel) }

// Digest returns the SHA-256 of the slot.
func (r Release) Digest() (d [32]byte, err error) {
	b, err := hex.DecodeString(r.Slot)
	if err != nil || len(b) != len(d) {
		return d, fmt.Errorf("release %q: slot %.80q is no SHA-256", r.Release, r.Slot)
	}
	return [32]byte(b), nil
}

// ParseRelease reads the custom field of a target. A target without one is no
// release.
func ParseRelease(custom *json.RawMessage) (r Release, ok bool) {
	if custom == nil || json.Unmarshal(*custom, &r) != nil || r.Board == "" || r.Counter == 0 {
		return Release{}, false
	}
	_, err := r.Digest()
	return r, err == nil
}

var (
	word     = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	fileName = regexp.MustCompile(`^(metadata/([0-9]{1,9}\.)?[a-z]{1,32}\.json|targets/[0-9a-f]{64}\.[A-Za-z0-9][A-Za-z0-9._-]{0,99})$`)
	hexWord  = regexp.MustCompile(`^[0-9a-f]{1,64}$`)
)

// CheckWord returns an error unless s can be the name of a board, a channel or a
// release.
func CheckWord(what, s string) error {
	if !word.MatchString(s) {
		return fmt.Errorf("%s %.80q: want 1 to 64 of a-z, 0-9, '.', '_' and '-', and a letter or digit first", what, s)
	}
	return nil
}

// IsFile reports whether name is one of a file that is fetched.
func IsFile(name string) bool { return fileName.MatchString(name) }

// MetadataName returns the name of a role's metadata; version 0 is the one
// without a version in its name.
func MetadataName(role string, version int64) string {
	if version == 0 {
		return "metadata/" + role + ".json"
	}
	return fmt.Sprintf("metadata/%d.%s.json", version, role)
}

// TargetName returns the name of a target's file.
func TargetName(sum []byte, target string) string {
	return "targets/" + hex.EncodeToString(sum) + "." + target
}

// A Query is a sensor's question which release is for it. It is asked over the
// sensor's session alone, since what has failed can pause a rollout. That the
// unit is its own is not proven.
type Query struct {
	Board  string
	Unit   string   // what stays of a sensor across boots, hex
	Slot   string   // digest of the slot that runs, hex; "0" where none does
	Failed []string // digests whose trial has failed, the last ones, hex

	// Trial makes it no question but a word of farewell: a sensor that runs
	// from RAM is about to try the release with that digest, hex, and would not
	// remember its failure.
	Trial string
}

const (
	queryHead = "offer/"
	trialHead = "trial/"
	shortened = 16 // digits of a digest that are enough to tell it
)

// Name returns the query as a name to fetch.
func (q Query) Name() string {
	if q.Trial != "" {
		return trialHead + q.Board + "/" + q.Unit + "/" + q.Slot + "/" + q.Trial[:min(len(q.Trial), shortened)]
	}
	failed := q.Failed[max(0, len(q.Failed)-maxFailed):]
	name := queryHead + q.Board + "/" + q.Unit + "/" + q.Slot
	for _, f := range failed {
		name += "/" + f[:min(len(f), shortened)]
	}
	return name
}

var errQuery = errors.New("not a question for a release")

// ParseQuery reads a name that Name returned. The digests of Failed and Trial are
// cut to their first 16 digits.
func ParseQuery(name string) (Query, error) {
	rest, ok := strings.CutPrefix(name, queryHead)
	farewell := strings.HasPrefix(name, trialHead)
	if farewell {
		rest = name[len(trialHead):]
	}
	parts := strings.Split(rest, "/")
	if ok == farewell || farewell && (len(parts) != 4 || len(parts[3]) != shortened) || len(parts) < 3 || len(parts) > 3+maxFailed || !word.MatchString(parts[0]) {
		return Query{}, errQuery
	}
	for _, p := range parts[1:] {
		if !hexWord.MatchString(p) {
			return Query{}, errQuery
		}
	}
	q := Query{Board: parts[0], Unit: parts[1], Slot: parts[2]}
	if farewell {
		q.Trial = parts[3]
	} else {
		q.Failed = parts[3:]
	}
	return q, nil
}

// An Offer is the answer.
type Offer struct {
	// Target is the release that the sensor should run, or "" for what it runs.
	Target string `json:"target,omitempty"`

	// Wait is after how many seconds to ask again.
	Wait int64 `json:"wait"`
}

// URLPath is where a collector has the files of releases, by their names.
const URLPath = "/v1/updates/"
