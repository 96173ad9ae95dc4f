package releases

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/taproot-sensor/taproot/internal/durable"
)

// The keys of a repository. Root keys also sign which key may sign releases.
const (
	rootKeys      = 3
	rootThreshold = 2
	releaseKey    = "release"
	onlineKey     = "online"
)

func rootKey(i int) string { return fmt.Sprintf("root-%d", i+1) }

// A key is a private key and its public half as metadata has it.
type key struct {
	private ed25519.PrivateKey
	public  *metadata.Key
	id      string // of public
}

func newKey(private ed25519.PrivateKey) (key, error) {
	public, err := metadata.KeyFromPublicKey(private.Public())
	if err != nil {
		return key{}, err
	}
	id, err := public.ID()
	return key{private, public, id}, err
}

// signer returns what metadata is signed with.
func (k key) signer() (signature.Signer, error) { return signature.LoadED25519Signer(k.private) }

const pemKey = "PRIVATE KEY" // PKCS #8, RFC 7468 section 10

// createKey makes a key and its file.
func createKey(dir, name string) (key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return key{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return key{}, err
	}
	path := filepath.Join(dir, name+".key")
	if _, err := os.Lstat(path); err == nil {
		return key{}, fmt.Errorf("%s is there already; keys are never overwritten", path)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return key{}, err
	}
	if err := durable.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der}), 0o600); err != nil {
		return key{}, err
	}
	return newKey(private)
}

// loadKey reads a key from the first of dirs that has it. Errors say nothing of
// what the file holds.
func loadKey(dirs []string, name string) (key, error) {
	for _, dir := range dirs {
		path := filepath.Join(dir, name+".key")
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return key{}, err
		case info.Mode().Perm()&0o077 != 0:
			return key{}, fmt.Errorf("key %s: mode is %04o, so others can read it; \"chmod 600\" it and think about who did", path, info.Mode().Perm())
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return key{}, err
		}
		block, _ := pem.Decode(text)
		if block == nil || block.Type != pemKey {
			return key{}, fmt.Errorf("key %s: not a private key in PEM", path)
		}
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		private, ok := parsed.(ed25519.PrivateKey)
		if err != nil || !ok {
			return key{}, fmt.Errorf("key %s: not an Ed25519 key in PKCS #8", path)
		}
		return newKey(private)
	}
	return key{}, fmt.Errorf("no key %s.key in %q: name the directory or the medium that has it with --keys: %w", name, dirs, fs.ErrNotExist)
}

// loadRootKeys reads as many root keys as a decision needs.
func loadRootKeys(dirs []string) (found []key, err error) {
	for i := range rootKeys {
		k, err := loadKey(dirs, rootKey(i))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if found = append(found, k); len(found) == rootThreshold {
			return found, nil
		}
	}
	return nil, fmt.Errorf("%d of the %d root keys are in %q, and %d must sign: name where the others are with --keys as well", len(found), rootKeys, dirs, rootThreshold)
}
