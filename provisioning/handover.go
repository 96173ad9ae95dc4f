package provisioning

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/taproot-sensor/taproot/internal/durable"
)

// maxRetired bounds the box keys that were: as many as a sensor follows in one
// boot.
const maxRetired = 63

// incoming is the file of the key that will be the next one, while a hand-over is
// under way.
const incoming = "incoming.key"

// HandOver makes the next box key of the keys in dir the one in use, and makes a
// new next one. The one that was in use stays, to answer sensors whose image
// knows no other. It returns the keys as they are now.
//
// A crash at any moment leaves the keys as they were or as they will be: the
// new next key is written first; then the old key under its new name; then the
// next key over it; and LoadKeys finishes what has come that far.
func HandOver(dir string) (*Keys, error) {
	k, err := LoadKeys(dir)
	if err != nil {
		return nil, err
	}
	retired, err := LoadRetired(dir)
	if err != nil {
		return nil, err
	}
	if err := k.handOver(dir, len(retired)); err != nil {
		return nil, fmt.Errorf("handing over the site's box key: %w", err)
	}
	return k, nil
}

func (k *Keys) handOver(dir string, retired int) error {
	if retired == maxRetired {
		return fmt.Errorf("%d keys were in use before this one; no more fit: make a new site", retired)
	}
	var next Secret
	rand.Read(next[:]) // never fails
	if err := (keyFile{"next", &next}).write(filepath.Join(dir, incoming)); err != nil {
		return err
	}
	for _, f := range []keyFile{{retiredName(retired), &k.Box}, {"box", &k.Next}} {
		if err := f.write(filepath.Join(dir, f.name+".key")); err != nil {
			return err
		}
	}
	k.Box, k.Next = k.Next, next
	return finishHandOver(dir)
}

// finishHandOver gives the incoming key its name.
func finishHandOver(dir string) error {
	return durable.Rename(filepath.Join(dir, incoming), filepath.Join(dir, "next.key"))
}

// resume finishes a hand-over that a crash has cut short, if the next key is in
// use already. One that did not come that far has not happened.
func (k *Keys) resume(dir string) error {
	if k.Box != k.Next {
		return nil
	}
	var next Secret
	if err := (keyFile{"next", &next}).load(filepath.Join(dir, incoming)); err != nil {
		return fmt.Errorf("box.key and next.key hold the same key: %w", err)
	}
	k.Next = next
	return finishHandOver(dir)
}

// LoadRetired reads the box keys that were in use before the one that is, the
// oldest first.
func LoadRetired(dir string) ([]Secret, error) {
	var box Secret
	if err := (keyFile{"box", &box}).load(filepath.Join(dir, "box.key")); err != nil {
		return nil, fmt.Errorf("loading site key %s: %w", filepath.Join(dir, "box.key"), err)
	}
	var retired []Secret
	for len(retired) < maxRetired {
		f := keyFile{retiredName(len(retired)), new(Secret)}
		path := filepath.Join(dir, f.name+".key")
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err := f.load(path); err != nil {
			return nil, fmt.Errorf("loading site key %s: %w", path, err)
		}
		if *f.secret == box {
			break // of a hand-over that has not happened
		}
		retired = append(retired, *f.secret)
	}
	return retired, nil
}

func retiredName(n int) string { return fmt.Sprintf("retired-%d", n+1) }

// write writes one key to path.
func (f keyFile) write(path string) error {
	return durable.WriteFile(path, []byte(secretPrefix+f.name+" "+hex.EncodeToString(f.secret[:])+"\n"), 0o600)
}
