package meter_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/idna"
)

// arkimeBodies returns what Arkime's tests expect of the sessions of a
// capture.
func arkimeBodies(t *testing.T, path string) []map[string]any {
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Sessions []struct{ Body map[string]any } `json:"sessions3"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	var out []map[string]any
	for _, s := range doc.Sessions {
		out = append(out, s.Body)
	}
	return out
}

// dig returns all values at a path of maps and lists, in lower case.
func dig(v any, path ...string) (out []string) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			out = append(out, dig(e, path...)...)
		}
	case map[string]any:
		if len(path) > 0 {
			return dig(v[path[0]], path[1:]...)
		}
	case nil:
	default:
		if len(path) == 0 {
			out = append(out, strings.ToLower(fmt.Sprint(v)))
		}
	}
	return out
}

// TestTruthArkimeApps compares application fields, file by file, with those of
// Arkime's own tests.
func TestTruthArkimeApps(t *testing.T) {
	type field struct {
		score  score
		want   string // path in Arkime's session
		kinds  []string
		column []string
		floor  int
	}
	fields := []*field{
		{want: "tls.ja3", kinds: []string{"tls", "quic"}, column: []string{"ja3"}, floor: 30},
		{want: "tls.ja3s", kinds: []string{"tls", "quic"}, column: []string{"ja3s"}, floor: 27},
		{want: "tls.ja4", kinds: []string{"tls", "quic"}, column: []string{"ja4", "ja4_again"}, floor: 34},
		{want: "quic.host", kinds: []string{"quic"}, column: []string{"sni"}, floor: 5},
		{want: "quic.version", kinds: []string{"quic"}, column: []string{"version"}, floor: 5},
		{want: "cert.serial", kinds: []string{"x509"}, column: []string{"serial"}, floor: 47},
		{want: "ssh.hassh", kinds: []string{"ssh"}, column: []string{"hassh"}, floor: 6},
		{want: "ssh.hasshServer", kinds: []string{"ssh"}, column: []string{"hassh_server"}, floor: 5},
		{want: "http.method", kinds: []string{"http"}, column: []string{"method"}, floor: 39},
		{want: "http.statuscode", kinds: []string{"http"}, column: []string{"status"}, floor: 41},
		{want: "http.useragent", kinds: []string{"http"}, column: []string{"user_agent"}, floor: 34},
		{want: "dns.queryHost", kinds: []string{"dns", "names"}, column: []string{"name", "questions"}, floor: 64},
	}
	paths, err := filepath.Glob(filepath.Join(truthDir(t, "expected/arkime"), "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".arkime.json")
		all := facts(t, filepath.Join(truthDir(t, "arkime"), name))
		for _, f := range fields {
			f.score.name = f.want + " (arkime)"
			var want, got []string
			for _, body := range arkimeBodies(t, path) {
				for _, v := range dig(body, strings.Split(f.want, ".")...) {
					if f.want == "cert.serial" && len(v) > 2 { // Arkime's have the sign
						v = strings.TrimPrefix(v, "00")
					}
					want = append(want, strings.Replace(v, "<root>", ".", 1))
				}
			}
			for _, column := range f.column {
				for _, kind := range f.kinds {
					for _, rec := range all[kind] {
						got = append(got, strings.ToLower(rec.text(column)))
					}
				}
				for _, w := range words(all, f.kinds, column) {
					readable, _ := idna.ToUnicode(w) // as Arkime has names
					got = append(got, readable)
				}
			}
			f.score.compare(t, name, strict(got), strict(want))
		}
	}
	for _, f := range fields {
		f.score.floor(t, f.floor, 0)
	}
}
