package provisioning

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSecureBootKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	now := time.Date(2026, 11, 21, 12, 30, 5, 0, time.UTC)
	sb, err := CreateSecureBoot(dir, "Example", now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := CreateSecureBoot(dir, "Example", now); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("made again: got %v", err)
	}
	db, err := LoadSecureBootDB(dir)
	if err != nil || !db.Key.Equal(sb.DB.Key) || !db.Certificate.Equal(sb.DB.Certificate) {
		t.Errorf("loaded keys differ (%v)", err)
	}
	for _, name := range []string{"PK", "KEK", "db"} {
		info, err := os.Stat(filepath.Join(dir, name+".key"))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s.key: %v, %v", name, info.Mode(), err)
		}
	}
	if err := os.Rename(filepath.Join(dir, "KEK.crt"), filepath.Join(dir, "db.crt")); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadSecureBootDB(dir); err == nil || !strings.Contains(err.Error(), "not of one key") {
		t.Errorf("mixed up: got %v", err)
	}
}

// TestSecureBootReadByOthers: efitools reads the lists, and openssl finds the
// signatures of the updates right.
func TestSecureBootReadByOthers(t *testing.T) {
	dir := t.TempDir()
	now := time.Date(2026, 11, 21, 12, 30, 5, 0, time.UTC)
	if _, err := CreateSecureBoot(dir, "Example", now); err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, by := range map[string]string{"PK": "PK", "KEK": "PK", "db": "KEK"} {
		auth, esl := read(name+".auth"), read(name+".esl")
		if !bytes.HasSuffix(auth, esl) {
			t.Errorf("%s.auth does not end in the list", name)
		}
		const stamp, certHead = 16, 24
		size := int(binary.LittleEndian.Uint32(auth[stamp:]))
		signature := auth[stamp+certHead : stamp+size]
		guid := guidGlobal
		if name == "db" {
			guid = guidImage
		}
		var signed []byte
		for _, c := range name {
			signed = append(signed, byte(c), 0)
		}
		signed = append(append(append(signed, guid[:]...), 0x27, 0, 0, 0), auth[:stamp]...)
		signed = append(signed, esl...)
		// openssl wants a ContentInfo around it.
		info := append(derHead(0x30, 11+len(derHead(0xa0, len(signature)))+len(signature)),
			0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02)
		info = append(append(info, derHead(0xa0, len(signature))...), signature...)
		data, sig := filepath.Join(dir, "data"), filepath.Join(dir, "sig")
		if err := os.WriteFile(data, signed, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(sig, info, 0o600); err != nil {
			t.Fatal(err)
		}
		tool(t, "openssl", "smime", "-verify", "-inform", "DER", "-in", sig, "-content", data, "-binary",
			"-CAfile", filepath.Join(dir, by+".crt"), "-purpose", "any", "-out", os.DevNull)
		out := tool(t, "sig-list-to-certs", filepath.Join(dir, name+".esl"), filepath.Join(dir, "out"))
		if got := read("out-0.der"); !bytes.Equal(got, read(name+".cer")) {
			t.Errorf("%s.esl holds another certificate: %s", name, out)
		}
	}
}

// derHead returns the tag and length of a DER value of n bytes.
func derHead(tag byte, n int) []byte {
	if n < 0x80 {
		return []byte{tag, byte(n)}
	}
	return []byte{tag, 0x82, byte(n >> 8), byte(n)}
}

func tool(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Skipf("%s is not installed", args[0])
	}
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
