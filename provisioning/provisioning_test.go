package provisioning_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/curve25519"

	"github.com/taproot-sensor/taproot/internal/bpf"
	"github.com/taproot-sensor/taproot/provisioning"
	"github.com/taproot-sensor/taproot/wire/site"
)

func newKeys(t testing.TB) (*provisioning.Keys, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data", "keys")
	k, err := provisioning.CreateKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	return k, dir
}

func TestKeys(t *testing.T) {
	k, dir := newKeys(t)
	got, err := provisioning.LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if *got != *k {
		t.Error("loaded keys differ from those created")
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Fatalf("%d files, %v; want 3", len(files), err)
	}
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v; want 0600", f.Name(), info.Mode(), err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: mode %v, %v; want 0700", info.Mode(), err)
	}
	if siblings, _ := os.ReadDir(filepath.Dir(dir)); len(siblings) != 1 {
		t.Errorf("%d entries beside the keys, want none left over", len(siblings)-1)
	}

	s := k.Site("home", []string{"192.0.2.1:7755"})
	box, _ := curve25519.X25519(k.Box[:], curve25519.Basepoint)
	next, _ := curve25519.X25519(k.Next[:], curve25519.Basepoint)
	if !bytes.Equal(s.Box[:], box) || s.Next != site.Key(sha256.Sum256(next)) || s.Check() != nil {
		t.Errorf("site %+v does not follow from the keys", s)
	}
}

func TestKeysAreNotOverwritten(t *testing.T) {
	k, dir := newKeys(t)
	if _, err := provisioning.CreateKeys(dir); err == nil {
		t.Fatal("keys were created over others")
	}
	if got, err := provisioning.LoadKeys(dir); err != nil || *got != *k {
		t.Errorf("keys changed: %v", err)
	}
}

// Whoever formats keys, by whatever means, sees no secret.
func TestKeysDoNotPrint(t *testing.T) {
	k, _ := newKeys(t)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%q", "%d"} {
		fmt.Fprintf(&out, verb+verb+"\n", k, k.Box)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("keys", "keys", k, "box", k.Box)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("keys", "keys", *k)
	if err := json.NewEncoder(&out).Encode(k); err != nil {
		t.Fatal(err)
	}
	for _, s := range []provisioning.Secret{k.Box, k.Identity, k.Next} {
		raw := s[:]
		for _, form := range []string{hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)), string(raw),
			strings.Trim(fmt.Sprint(raw), "[]"), strings.Trim(fmt.Sprintf("%#v", raw), "[]byte{}")} {
			if strings.Contains(out.String(), form) {
				t.Fatalf("a secret was printed: %s", out.String())
			}
		}
	}
}

func TestLoadKeysRefuses(t *testing.T) {
	if _, err := provisioning.LoadKeys(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: %v, want fs.ErrNotExist", err)
	}
	k, _ := newKeys(t)
	secret := hex.EncodeToString(k.Box[:])
	tests := []struct {
		name string
		do   func(path string) error
		want string
	}{
		{"missing", os.Remove, "missing"},
		{"readable", func(p string) error { return os.Chmod(p, 0o640) }, "0640"},
		{"empty", func(p string) error { return os.WriteFile(p, nil, 0o600) }, "not a taproot box key"},
		{"short", func(p string) error { return os.WriteFile(p, []byte("taproot-private-key-box "+secret[:62]), 0o600) }, "not a taproot box key"},
		{"of another purpose", func(p string) error { return os.WriteFile(p, []byte("taproot-private-key-next "+secret), 0o600) }, "not a taproot box key"},
	}
	for _, tt := range tests {
		_, dir := newKeys(t)
		path := filepath.Join(dir, "box.key")
		if err := tt.do(path); err != nil {
			t.Fatal(err)
		}
		_, err := provisioning.LoadKeys(dir)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error = %v, want %q", tt.name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), secret[:16]) {
			t.Errorf("%s: the error prints the secret", tt.name)
		}
	}
}

func TestSiteFile(t *testing.T) {
	k, _ := newKeys(t)
	want := k.Site(`a "quoted" <näme> \ `, []string{"192.0.2.1:7755", "[2001:db8::1]:7755", "collector.example:53"})
	path := filepath.Join(t.TempDir(), "site.toml")
	want.Live = site.LiveLocked
	want.Kinds, want.Filter = []string{"flow", "sensor"}, `not (port 22 or host 2001:db8::1)`
	var err error
	if want.Program, err = bpf.Compile(want.Filter); err != nil {
		t.Fatal(err)
	}
	if err := provisioning.WriteSite(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := provisioning.LoadSite(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("site (-want +got)\n%s", diff)
	}
	if err := provisioning.WriteSite(path, k.Site("home", []string{"nowhere"})); err == nil {
		t.Error("a site with a bad address was written")
	}
}

const goodSite = `# a site
name = "home"
collectors = ["192.0.2.1:7755"]

box      = "1111111111111111111111111111111111111111111111111111111111111111"
identity = "2222222222222222222222222222222222222222222222222222222222222222"
next     = "3333333333333333333333333333333333333333333333333333333333333333"
`

func TestLoadSiteRefuses(t *testing.T) {
	box := `"` + strings.Repeat("1", 64) + `"`
	tests := []struct{ name, old, new, want string }{
		{"good", "", "", ""},
		{"missing key", `name = "home"`, "", `key "name" is missing: add one`},
		{"missing box", "box ", "# box ", `key "box" is missing: "taproot keys"`},
		{"unknown key", "# a site", "colour = 1", `line 1: unknown key "colour"; the keys are name, collectors, box`},
		{"misspelt key", "next ", "nxet ", `key "next" is missing`},
		{"unknown table", "# a site", "[box2]\nx = 1", `key "name" is missing`},
		{"table at the end", "3333\"\n", "3333\"\n[extra]\n", `line 8: unknown key "extra"`},
		{"bad address", "192.0.2.1:7755", "192.0.2.1", `line 3: key "collectors": address "192.0.2.1" is not host:port`},
		{"bad port", "7755", "99999", `line 3: key "collectors": address "192.0.2.1:99999": port`},
		{"no address", `"192.0.2.1:7755"`, "", `line 3: key "collectors": 0 addresses, want 1 to 8`},
		{"address no list", `["192.0.2.1:7755"]`, `"192.0.2.1:7755"`, `line 3: key "collectors": want a list`},
		{"short key", box, `"1111"`, `line 5: key "box": key of 4 characters, want 64 hex digits; "taproot keys"`},
		{"key no hex", box, `"` + strings.Repeat("x", 64) + `"`, `line 5: key "box": key has other characters`},
		{"zero key", box, `"` + strings.Repeat("0", 64) + `"`, `line 5: key "box": is all zero`},
		{"private key", box, `"taproot-private-key-box ` + strings.Repeat("1", 64) + `"`, `line 5: key "box": this is a private key`},
		{"long private key", box, `"` + strings.Repeat("1", 128) + `"`, `line 5: key "box": 128 hex digits are a private key`},
		{"key as number", box, "7", `line 5: key "box": want a text in quotes`},
		{"empty name", `"home"`, `""`, `line 2: key "name": 0 bytes, want 1 to 64`},
		{"unknown kind", "# a site", `kinds = ["flow", "dnss"]`, `line 1: key "kinds": no kind "dnss"; there are flow, dns`},
		{"kinds no list", "# a site", `kinds = "flow"`, `line 1: key "kinds": want a list`},
		{"bad filter", "# a site", `filter = "host example.org"`, `line 1: key "filter": filter "host example.org": host "example.org": want an IP address`},
		{"kinds and filter", "# a site", "kinds = [\"flow\"]\nfilter = \"not port 22\"", ""},
		{"no way to live", "# a site", `live = "kexec"`, `line 1: key "live": "kexec", want "updated" or "locked"`},
		{"the default way to live", "# a site", `live = "updated"`, ""},
		{"syntax", `name = "home"`, `name = home`, "line 2: "},
		{"twice", "# a site", `name = "x"`, "line 2: "},
		{"empty file", goodSite, "", `key "name" is missing`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "site.toml")
			if err := os.WriteFile(path, []byte(strings.Replace(goodSite, tt.old, tt.new, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := provisioning.LoadSite(path)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("error = %v, want none", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path)):
				t.Errorf("error = %v, want the file and %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), strings.Repeat("1", 16)) {
				t.Errorf("error prints a key: %v", err)
			}
		})
	}
}

func FuzzLoadSite(f *testing.F) {
	f.Add([]byte(goodSite))
	f.Add([]byte("name = [1, 2]\n[collectors]\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, "site.toml")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := provisioning.LoadSite(path)
		if err != nil {
			return
		}
		if err := provisioning.WriteSite(path, s); err != nil {
			t.Fatalf("%+v was read and cannot be written: %v", s, err)
		}
		if again, err := provisioning.LoadSite(path); err != nil || !cmp.Equal(again, s) {
			t.Fatalf("%+v does not survive a round trip: %+v, %v", s, again, err)
		}
	})
}
