package main

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBadCapture: a file that cannot be played is one clear error, before
// anything is started.
func TestBadCapture(t *testing.T) {
	head := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	head = append(head, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0)
	frame := append([]byte{0, 0, 0, 0, 0, 0, 0, 0, 60, 0, 0, 0, 60, 0, 0, 0}, make([]byte, 60)...)
	wifi := bytes.Clone(head)
	wifi[20] = 105
	tests := []struct {
		name, want string
		file       []byte
	}{
		{"good", "", append(bytes.Clone(head), frame...)},
		{"empty", "too short", nil},
		{"no pcap", "not", []byte("GIF89a, and then some")},
		{"no frames", "no frames", head},
		{"truncated", "ends inside a record", append(bytes.Clone(head), frame[:40]...)},
		{"wrong link type", "link type is 105", append(wifi, frame...)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "some.pcap")
			if err := os.WriteFile(path, tt.file, 0o600); err != nil {
				t.Fatal(err)
			}
			err := (&show{}).findTraffic(path)
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("got error %v", err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path)):
				t.Errorf("got error %v, want one that names the file and says %q", err, tt.want)
			}
		})
	}
	if err := (&show{}).findTraffic("missing.pcap"); err == nil {
		t.Error("a missing file is no error")
	}
}
