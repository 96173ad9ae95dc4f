package manifest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/collector/lake/manifest"
)

func TestManifest(t *testing.T) {
	dir := t.TempDir()
	m, err := manifest.Load(dir)
	if err != nil || len(m.Files) != 0 {
		t.Fatalf("empty lake = %+v, %v", m, err)
	}
	m.Position, m.Next = journal.Pos{Segment: 3, Offset: 77}, 9
	m.Kinds["dns"] = []manifest.Column{{Name: "ts", Type: "time"}}
	m.Files = append(m.Files, manifest.File{Path: "kind=dns/date=2026-11-21/hour=08/00000008.parquet", Kind: "dns", Rows: 5, First: -1, Last: 1 << 62, Bytes: 7})
	if err := m.Save(dir); err != nil {
		t.Fatal(err)
	}
	got, err := manifest.Load(dir)
	if diff := cmp.Diff(m, got); err != nil || diff != "" {
		t.Errorf("manifest: %v (-want +got)\n%s", err, diff)
	}
}

func TestLoadRefuses(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "end of JSON"},
		{`{"version":1`, "end of JSON"},
		{`{"version":2}`, "version 2, want 1"},
		{`{"version":1,"files":[{"path":"../keys/box.key"}]}`, "outside the lake"},
		{`{"version":1,"files":[{"path":"/etc/passwd"}]}`, "outside the lake"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, manifest.Name), []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := manifest.Load(dir); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error = %v, want %q", tt.text, err, tt.want)
		}
	}
}
