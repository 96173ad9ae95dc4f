// Package provisioning prepares what a site's collector and images are given:
// the site's keys, and the site file that names their public halves.
//
// Private keys are files of mode 0600 in one directory, which is made whole or
// not at all. They never leave this package as text: a Secret prints as a
// placeholder, whoever formats it. The site file is public.
package provisioning

import (
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/taproot-sensor/taproot/internal/durable"
	"github.com/taproot-sensor/taproot/wire/site"
)

// A Secret is a private key: an X25519 scalar or an Ed25519 seed.
type Secret [32]byte

// Format prints a placeholder, whatever the verb.
func (Secret) Format(s fmt.State, _ rune) { fmt.Fprint(s, "(secret)") }

// MarshalText returns a placeholder, for logs and JSON.
func (Secret) MarshalText() ([]byte, error) { return []byte("(secret)"), nil }

// Keys are the private keys of a site.
type Keys struct {
	Box      Secret // X25519: opens what sensors say first
	Identity Secret // Ed25519: signs the collector's epoch keys
	Next     Secret // X25519: will follow Box
}

// keyFiles lists the files of a key directory.
func (k *Keys) keyFiles() []keyFile {
	return []keyFile{{"box", &k.Box}, {"identity", &k.Identity}, {"next", &k.Next}}
}

type keyFile struct {
	name   string
	secret *Secret
}

// secretPrefix marks the text of a private key, so that one pasted in a wrong
// place is known for what it is.
const secretPrefix = "taproot-private-key-"

// IdentityKey returns the key that signs for the site.
func (k *Keys) IdentityKey() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(k.Identity[:]) }

// BoxKey returns the public half of Box.
func (k *Keys) BoxKey() site.Key { return boxPublic(k.Box) }

// Site returns the site as its sensors know it.
func (k *Keys) Site(name string, collectors []string) site.Site {
	next := boxPublic(k.Next)
	return site.Site{
		Name: name, Collectors: collectors, Box: k.BoxKey(),
		Identity: site.Key(k.IdentityKey().Public().(ed25519.PublicKey)),
		Next:     sha256.Sum256(next[:]),
	}
}

func boxPublic(s Secret) site.Key {
	key, err := ecdh.X25519().NewPrivateKey(s[:])
	if err != nil { // any 32 bytes are a key
		panic(err)
	}
	return site.Key(key.PublicKey().Bytes())
}

// CreateKeys makes new keys and the directory dir that holds them. It is an
// error when dir is there already: keys that sensors trust are not replaced by
// accident.
func CreateKeys(dir string) (*Keys, error) {
	k := new(Keys)
	if err := k.create(dir); err != nil {
		return nil, fmt.Errorf("creating site keys: %w", err)
	}
	return k, nil
}

func (k *Keys) create(dir string) error {
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("%s is there already; keys are never overwritten", dir)
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, "keys-*"+durable.TempSuffix) // of mode 0700
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	for _, f := range k.keyFiles() {
		rand.Read(f.secret[:]) // never fails
		if err := f.write(filepath.Join(tmp, f.name+".key")); err != nil {
			return err
		}
	}
	return durable.Rename(tmp, dir)
}

// LoadKeys reads the keys in dir. Where there is no dir the error wraps
// fs.ErrNotExist.
func LoadKeys(dir string) (*Keys, error) {
	k := new(Keys)
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("loading site keys: %w", err)
	}
	for _, f := range k.keyFiles() {
		path := filepath.Join(dir, f.name+".key")
		if err := f.load(path); err != nil {
			return nil, fmt.Errorf("loading site key %s: %w", path, err)
		}
	}
	if err := k.resume(dir); err != nil {
		return nil, fmt.Errorf("loading site keys: %w", err)
	}
	return k, nil
}

// load reads one key. Its errors say nothing of what the file holds.
func (f keyFile) load(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errors.New("file is missing; restore it from a backup, or make a new site")
	case err != nil:
		return err
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("mode is %04o, so others can read it; \"chmod 600\" it and think about who did", info.Mode().Perm())
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	digits, ok := strings.CutPrefix(strings.TrimSpace(string(text)), secretPrefix+f.name+" ")
	if b, err := hex.DecodeString(digits); !ok || err != nil || len(b) != len(f.secret) {
		return fmt.Errorf("not a taproot %s key", f.name)
	} else {
		*f.secret = Secret(b)
	}
	return nil
}
