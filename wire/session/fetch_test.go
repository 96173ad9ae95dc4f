package session_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taproot-sensor/taproot/wire/session"
)

func TestFetchRoundTrip(t *testing.T) {
	f := session.Fetch{Sequence: 7, Offset: 1 << 40, Size: session.MaxFetch, Name: "targets/x"}
	b, err := f.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := session.ParseFetch(b); err != nil || got != f {
		t.Errorf("got %+v, %v, want %+v", got, err, f)
	}
	p := session.Piece{Sequence: 7, Offset: 3, Total: 8, Data: []byte("piece")}
	if got, err := session.ParsePiece(p.Append(nil)); err != nil || cmp.Diff(p, got) != "" {
		t.Errorf("got %+v, %v, want %+v", got, err, p)
	}
}

func FuzzParseFetch(f *testing.F) {
	b, _ := (&session.Fetch{Sequence: 1, Size: 9, Name: "metadata/timestamp.json"}).Append(nil)
	f.Add(b)
	f.Add((&session.Piece{Total: 5, Data: []byte("12345")}).Append(nil))
	f.Add((&session.Piece{Total: session.NoFile}).Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, err := session.ParseFetch(b); err == nil {
			if again, err := v.Append(nil); err != nil || len(again) != len(b) {
				t.Fatalf("%+v does not come back: %v", v, err)
			}
		}
		if p, err := session.ParsePiece(b); err == nil && cmp.Diff(p.Append(nil), b) != "" {
			t.Fatal("another piece comes back")
		}
	})
}
