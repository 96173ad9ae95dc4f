package site_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taproot-sensor/taproot/internal/bpf"
	"github.com/taproot-sensor/taproot/wire/site"
)

func sample() site.Site {
	return site.Site{Name: "lab", Collectors: []string{"192.0.2.1:7755", "[2001:db8::1]:7755", "collector.example:7755"},
		Box: site.Key{1}, Identity: site.Key{2}, Next: site.Key{3},
		Kinds: []string{"default", "layer"}, Filter: "ip", Program: bpf.Program{{Code: 0x28, K: 12}, {Code: 0x15, K: 0x800, Jf: 1}, {Code: 6, K: 1}, {Code: 6}}}
}

func TestRoundTrip(t *testing.T) {
	b, err := sample().Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) != site.Capacity {
		t.Errorf("site takes %d bytes, want %d", len(b), site.Capacity)
	}
	got, err := site.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sample(), got); diff != "" {
		t.Errorf("site (-want +got)\n%s", diff)
	}
}

func TestRefuses(t *testing.T) {
	tests := []struct {
		name string
		edit func(*site.Site)
		want string
	}{
		{"no name", func(s *site.Site) { s.Name = "" }, "name"},
		{"no address", func(s *site.Site) { s.Collectors = nil }, "collectors"},
		{"no port", func(s *site.Site) { s.Collectors[1] = "host" }, `"host" is not host:port`},
		{"port 0", func(s *site.Site) { s.Collectors[1] = "host:0" }, `port "0"`},
		{"no key", func(s *site.Site) { s.Box = site.Key{} }, "box: missing"},
		{"no such kind", func(s *site.Site) { s.Kinds[0] = "dnss" }, `kinds: no kind "dnss"`},
		{"many kinds", func(s *site.Site) { s.Kinds = make([]string, 65) }, "at most 64"},
		{"a filter without its program", func(s *site.Site) { s.Program = nil }, "filter"},
		{"a program without its filter", func(s *site.Site) { s.Filter = "" }, "filter"},
		{"long", func(s *site.Site) {
			for len(s.Collectors) < 8 {
				s.Collectors = append(s.Collectors, strings.Repeat("a", 250)+":1")
			}
			s.Name = strings.Repeat("\x01", 64)
			s.Collectors = append(s.Collectors, "x:1")
		}, "1 to 8"},
	}
	for _, tt := range tests {
		s := sample()
		tt.edit(&s)
		if _, err := s.Append(nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error = %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	b, _ := sample().Append(nil)
	f.Add(b)
	f.Add([]byte(`{"name":"x","secret":"y"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := site.Parse(b)
		if err != nil {
			return
		}
		if _, err := s.Append(nil); err != nil && !strings.Contains(err.Error(), "at most") {
			t.Fatal(err)
		}
	})
}
