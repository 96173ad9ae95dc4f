package provisioning

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadDeviceKeys(t *testing.T) {
	key := strings.Repeat("5a", 32)
	tests := []struct {
		name, text string
		mode       os.FileMode
		want       string // of the error; empty for none
	}{
		{"good", "# devices\n\nscale " + key + "\npump   " + key + "\n", 0o600, ""},
		{"readable", "scale " + key, 0o640, "mode is 0640"},
		{"twice", "scale " + key + "\nscale " + key, 0o600, "line 2: device \"scale\""},
		{"short", "scale 5a5a", 0o600, "line 1: want a name"},
		{"long", "scale " + strings.Repeat("5a", 65), 0o600, "line 1: want a name"},
		{"no name", key, 0o600, "line 1: want a name"},
		{"long name", strings.Repeat("x", 65) + " " + key, 0o600, "name of 65 bytes"},
		{"empty", "# none\n", 0o600, "no key is in it"},
		{"huge", strings.Repeat("#\n", maxDeviceFile), 0o600, "at most"},
	}
	for _, tt := range tests {
		path := filepath.Join(t.TempDir(), "devices")
		if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, tt.mode); err != nil {
			t.Fatal(err)
		}
		keys, err := LoadDeviceKeys(path)
		switch {
		case tt.want == "" && (err != nil || len(keys) != 2 || len(keys["pump"]) != 32):
			t.Errorf("%s: %d keys, error %v", tt.name, len(keys), err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), key)):
			t.Errorf("%s: error = %v, want one with %q", tt.name, err, tt.want)
		}
	}
	if _, err := LoadDeviceKeys("/nowhere"); err == nil {
		t.Error("a file that is not there is read")
	}
}
