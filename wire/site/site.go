// Package site defines what an image knows of its site: the collector's
// addresses and public keys.
//
// It is carried as JSON in /site.json, in a region of Capacity bytes that is
// padded with newlines, so that a built image can be given to another site
// without building it again. There is nothing secret in it, and no field that
// could hold a secret; docs/format/site.md has the bytes.
package site

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/taproot-sensor/taproot/internal/bpf"
	"github.com/taproot-sensor/taproot/wire/record"
)

// Capacity is the size of the region that an image keeps for its site.
const Capacity = 4096

// maxKinds bounds the list of kinds.
const maxKinds = 64

// Key is a public key, or the hash of one. As text it is 64 hex digits.
type Key [32]byte

// MarshalText returns k in hex.
func (k Key) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, k[:]), nil }

// UnmarshalText reads k from hex.
func (k *Key) UnmarshalText(text []byte) error {
	if len(text) != 2*len(k) {
		return fmt.Errorf("key of %d characters, want %d hex digits", len(text), 2*len(k))
	}
	if _, err := hex.Decode(k[:], text); err != nil {
		return errors.New("key has other characters than hex digits")
	}
	return nil
}

func (k Key) String() string { return hex.EncodeToString(k[:]) }

// A Site is one trust domain, as its sensors know it.
type Site struct {
	Name       string   `json:"name"`
	Collectors []string `json:"collectors"` // as ParseAddress reads them, in order of preference
	Box        Key      `json:"box"`        // X25519 key that a HELLO is sealed to
	Identity   Key      `json:"identity"`   // Ed25519 key that signs the collector's epoch keys
	Next       Key      `json:"next"`       // SHA-256 of the box key that will follow Box

	CA    Key    `json:"ca,omitzero"`     // SHA-256 of the public key (SubjectPublicKeyInfo) of the site's certificate authority; DTLS and WSS need it
	Proxy string `json:"proxy,omitempty"` // http://host:port that WSS is dialled through

	Kinds   []string    `json:"kinds,omitempty"`   // of records that sensors send, as record.ParseKinds has them; none is its default
	Filter  string      `json:"filter,omitempty"`  // which frames sensors look at, for people; none is all
	Program bpf.Program `json:"program,omitempty"` // the same for the kernel

	// Install is InstallUnattended, or "" for an ISO that asks.
	Install string `json:"install,omitempty"`

	// Live is LiveLocked, or "" where a system that runs from RAM may be
	// updated.
	Live string `json:"live,omitempty"`
}

// LiveLocked has a system that runs from RAM lock its kernel down, so that it
// starts no other unless Secure Boot vouches for that.
const LiveLocked = "locked"

// InstallUnattended has an ISO install itself on the machine's only disk.
const InstallUnattended = "unattended"

// Check returns an error that names the first field that cannot be used.
func (s Site) Check() error {
	switch {
	case s.Name == "" || len(s.Name) > 64:
		return errors.New("name: want 1 to 64 bytes")
	case len(s.Collectors) == 0 || len(s.Collectors) > 8:
		return errors.New("collectors: want 1 to 8 addresses")
	case s.Box == Key{}:
		return errors.New("box: missing")
	case s.Identity == Key{}:
		return errors.New("identity: missing")
	case s.Next == Key{}:
		return errors.New("next: missing")
	case s.Install != "" && s.Install != InstallUnattended:
		return fmt.Errorf("install: %.20q, want %q or nothing", s.Install, InstallUnattended)
	case s.Live != "" && s.Live != LiveLocked:
		return fmt.Errorf("live: %.20q, want %q or nothing", s.Live, LiveLocked)
	case len(s.Kinds) > maxKinds:
		return fmt.Errorf("kinds: %d, at most %d", len(s.Kinds), maxKinds)
	case len(s.Filter) > bpf.MaxText || (s.Filter == "") != (len(s.Program) == 0):
		return fmt.Errorf("filter: want a text of at most %d bytes and its program, or neither", bpf.MaxText)
	}
	if _, err := record.ParseKinds(s.Kinds); err != nil {
		return fmt.Errorf("kinds: %w", err)
	}
	for _, text := range s.Collectors {
		a, err := ParseAddress(text)
		if err != nil {
			return fmt.Errorf("collectors: %w", err)
		}
		if a.Carrier != UDP && s.CA == (Key{}) {
			return fmt.Errorf("ca: missing, and %s needs it", a)
		}
	}
	if s.Proxy != "" {
		if err := CheckProxy(s.Proxy); err != nil {
			return fmt.Errorf("proxy: %w", err)
		}
	}
	return nil
}

// Append appends the site as it stands in an image: JSON, padded to Capacity.
func (s Site) Append(dst []byte) ([]byte, error) {
	if err := s.Check(); err != nil {
		return nil, fmt.Errorf("writing site: %w", err)
	}
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("writing site: %w", err)
	}
	if len(b) > Capacity {
		return nil, fmt.Errorf("writing site: %d bytes, at most %d fit", len(b), Capacity)
	}
	dst = append(dst, b...)
	return append(dst, bytes.Repeat([]byte("\n"), Capacity-len(b))...), nil
}

// Parse reads a site as Append wrote it. Unknown fields are errors.
func Parse(b []byte) (Site, error) {
	var s Site
	b = bytes.TrimRight(b, "\n")
	if len(b) > Capacity {
		return Site{}, fmt.Errorf("reading site: %d bytes, at most %d fit", len(b), Capacity)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil {
		return Site{}, fmt.Errorf("reading site: %w", err)
	}
	if d.More() {
		return Site{}, errors.New("reading site: more than one value")
	}
	if err := s.Check(); err != nil {
		return Site{}, fmt.Errorf("reading site: %w", err)
	}
	return s, nil
}
