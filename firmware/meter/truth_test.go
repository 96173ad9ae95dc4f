package meter_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/meter"
)

// truthDir returns a directory of the real captures; what is in it comes from
// other programs, and is what the records are measured against.
func truthDir(t *testing.T, name string) string {
	dir := os.Getenv("TAPROOT_PCAPS")
	if dir == "" {
		dir = "../../../shared/pcaps"
	}
	dir = filepath.Join(dir, name)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no real captures: set TAPROOT_PCAPS to a directory of them (%v)", err)
	}
	return dir
}

// A fact is a record as JSON has it.
type fact map[string]any

func (f fact) text(name string) string {
	if v, ok := f[name]; ok {
		return fmt.Sprint(v)
	}
	return ""
}

// ends returns addresses and ports, the client's first.
func (f fact) ends() string {
	return strings.Join([]string{f.text("src_addr"), f.text("src_port"), f.text("dst_addr"), f.text("dst_port")}, " ")
}

// facts meters a capture and returns its records by kind.
func facts(t *testing.T, path string) map[string][]fact {
	t.Helper()
	src, err := capture.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var pipe bytes.Buffer
	if err := meter.Run(context.Background(), meter.Config{Source: src, Out: &pipe, FlowCapacity: 8192, CommunityID: true}); err != nil {
		t.Logf("%v", err)
	}
	all := make(map[string][]fact)
	for kind, lines := range parse(t, &pipe).lines {
		for _, line := range lines {
			var f fact
			d := json.NewDecoder(strings.NewReader(line))
			d.UseNumber()
			if err := d.Decode(&f); err != nil {
				t.Fatal(err)
			}
			all[kind] = append(all[kind], f)
		}
	}
	return all
}

// A score counts what was expected and found.
type score struct {
	name        string
	found, want int
	files       int // all of whose expectations were found
	allFiles    int
}

// compare counts what of want is in got, each once, and names what is not.
func (s *score) compare(t *testing.T, file string, got, want []string) {
	left := slices.Clone(got)
	missing := 0
	for _, w := range want {
		if i := slices.Index(left, w); i >= 0 {
			left = slices.Delete(left, i, i+1)
			s.found++
		} else {
			missing++
			t.Logf("%s: %s: not found: %s", s.name, file, w)
		}
	}
	s.want += len(want)
	s.allFiles++
	if missing == 0 {
		s.files++
	}
}

// floor prints the score and fails when it is below what it once was.
func (s *score) floor(t *testing.T, found, files int) {
	t.Logf("truth: %-28s %5d of %5d, %3d of %3d files exact (floor %d, %d)", s.name, s.found, s.want, s.files, s.allFiles, found, files)
	if s.found < found || s.files < files {
		t.Errorf("%s: below the floor", s.name)
	}
}

// TestTruthJA4 compares with what FoxIO's two programs say about their own
// captures: the Python one in JSON (without QUIC), the Rust one in snapshots.
func TestTruthJA4(t *testing.T) {
	dir := truthDir(t, "ja4")
	oracles := truthDir(t, "expected/ja4")
	paths, err := filepath.Glob(filepath.Join(oracles, "*.ja4.json"))
	if err != nil {
		t.Fatal(err)
	}
	ja4, quic := score{name: "JA4 of TLS (ja4, JSON)"}, score{name: "JA4 and SNI (ja4, snapshots)"}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".ja4.json")
		all := facts(t, filepath.Join(dir, name))
		var got, gotNamed []string
		for _, f := range slices.Concat(all["tls"], all["quic"]) {
			if again := f.text("ja4_again"); again != "" {
				got = append(got, f.ends()+" "+again)
			}
			if v := f.text("ja4"); v != "" {
				got = append(got, f.ends()+" "+v)
				gotNamed = append(gotNamed, f.ends()+" "+v+" "+f.text("sni"))
			}
		}
		ja4.compare(t, name, got, ja4JSON(t, path))
		quic.compare(t, name, gotNamed, ja4Snapshot(t, strings.TrimSuffix(path, "json")+"snap"))
	}
	ja4.floor(t, 160, 37)
	quic.floor(t, 202, 37)
}

func ja4JSON(t *testing.T, path string) []string {
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]any
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range list {
		for _, key := range []string{"JA4.1", "JA4.2"} {
			if v, ok := m[key]; ok {
				want = append(want, fmt.Sprintf("%v %v %v %v %v", m["src"], m["srcport"], m["dst"], m["dstport"], v))
			}
		}
	}
	return want
}

// ja4Snapshot reads the few keys we want of a list in YAML.
func ja4Snapshot(t *testing.T, path string) []string {
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, stream := range strings.Split(string(raw), "\n- stream:")[1:] {
		m := make(map[string]string)
		for _, line := range strings.Split(stream, "\n") {
			if key, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
				m[key] = strings.Trim(value, `"'`)
			}
		}
		if m["ja4"] != "" {
			want = append(want, strings.Join([]string{m["src"], m["src_port"], m["dst"], m["dst_port"], m["ja4"], m["tls_server_name"]}, " "))
		}
	}
	return want
}
