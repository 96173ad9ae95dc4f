package release_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taproot-sensor/taproot/wire/release"
)

func TestQuery(t *testing.T) {
	digest := strings.Repeat("5a", 32)
	want := release.Query{Board: "rock-3a", Unit: "0123456789abcdef", Slot: digest, Failed: []string{digest[:16]}}
	got, err := release.ParseQuery(want.Name())
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("query (-want +got), error %v\n%s", err, diff)
	}
	last := release.Query{Board: "pc", Unit: "0123456789abcdef", Slot: "0", Trial: digest}
	got, err = release.ParseQuery(last.Name())
	if last.Trial = digest[:16]; err != nil || !cmp.Equal(last, got) {
		t.Errorf("got %+v, %v, want %+v", got, err, last)
	}
	many := release.Query{Board: "pc", Unit: "1", Slot: "0"}
	for range 64 {
		many.Failed = append(many.Failed, digest)
	}
	if n := len(many.Name()); n > release.MaxName+2*64 {
		t.Errorf("a name of %d bytes", n)
	}
	for _, name := range []string{"", "offer/pc", "offer/../../etc", "offer/pc/1/", "offer/pc/1/x", "trial/pc/1/0", "trial/pc/1/0/" + digest[:15], "trial/pc/1/0/" + digest[:16] + "/ff", "metadata/root.json"} {
		if _, err := release.ParseQuery(name); err == nil {
			t.Errorf("%q is read as a query", name)
		}
	}
}

func TestIsFile(t *testing.T) {
	tests := map[string]bool{
		"metadata/1.root.json": true, "metadata/timestamp.json": true, release.TargetName(make([]byte, 32), "pc-1.slot.zst"): true,
		"metadata/../keys/root.key": false, "targets/x": false, "/etc/passwd": false, "metadata/root.json/": false, "state.json": false,
		release.TargetName(make([]byte, 32), ".."): false,
	}
	for name, want := range tests {
		if got := release.IsFile(name); got != want {
			t.Errorf("IsFile(%q) = %v, want %v", name, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("offer/pc/00/ff/11", []byte(`{"board":"pc","counter":1,"slot":"`+strings.Repeat("00", 32)+`"}`))
	f.Add("offer/pc", []byte(`{}`))
	f.Add("trial/pc/00/ff/0123456789abcdef", []byte(`{}`))
	f.Fuzz(func(t *testing.T, name string, custom []byte) {
		if q, err := release.ParseQuery(name); err == nil {
			if again, err := release.ParseQuery(q.Name()); err != nil || len(again.Failed) != len(q.Failed) {
				t.Fatalf("%q does not come back: %v", name, err)
			}
		}
		raw := json.RawMessage(custom)
		if r, ok := release.ParseRelease(&raw); ok {
			if _, err := r.Digest(); err != nil || r.Board == "" {
				t.Fatal("a release without what it needs")
			}
		}
	})
}
