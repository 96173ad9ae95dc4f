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
		{"no way to live", func(s *site.Site) { s.Live = "updated" }, `live: "updated"`},
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

func TestParseAddress(t *testing.T) {
	tests := []struct{ text, want string }{
		{"192.0.2.1:7755", "192.0.2.1:7755"},
		{"udp://host:1", "host:1"},
		{"dtls://[2001:db8::1]:7756", "dtls://[2001:db8::1]:7756"},
		{"wss://host", "wss://host:443/v1/wire"},
		{"wss://[2001:db8::1]", "wss://[2001:db8::1]:443/v1/wire"},
		{"wss://[2001:db8::1]:8443/a/b", "wss://[2001:db8::1]:8443/a/b"},
	}
	for _, tt := range tests {
		a, err := site.ParseAddress(tt.text)
		if err != nil || a.String() != tt.want {
			t.Errorf("%q is %q, error %v, want %q", tt.text, a, err, tt.want)
		}
		if again, err := site.ParseAddress(a.String()); err != nil || again != a {
			t.Errorf("%q reads back as %+v, error %v", a, again, err)
		}
	}
	for _, bad := range []string{"", "host", "tcp://host:1", "dtls://host", "wss://", "wss://host:0", "wss://user@host", "wss://host/a?b", "wss://host/ a", "udp://a b:1", strings.Repeat("a", 400) + ":1"} {
		if a, err := site.ParseAddress(bad); err == nil {
			t.Errorf("%q is taken as %+v", bad, a)
		}
	}
}

// An address that needs the site's certificate authority is not taken without.
func TestCarriersNeedCA(t *testing.T) {
	s := sample()
	s.Collectors = append(s.Collectors, "dtls://host:1")
	if err := s.Check(); err == nil || !strings.Contains(err.Error(), "ca: missing") {
		t.Errorf("error = %v", err)
	}
	s.CA, s.Proxy = site.Key{4}, "http://proxy:3128"
	b, err := s.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := site.Parse(b)
	if err != nil || got.CA != s.CA || got.Proxy != s.Proxy {
		t.Errorf("reads back as %+v, error %v", got, err)
	}
	s.Proxy = "socks5://proxy:1080"
	if err := s.Check(); err == nil || !strings.Contains(err.Error(), "proxy") {
		t.Errorf("error = %v", err)
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"192.0.2.1:7755", "wss://[2001:db8::1]:8443/a/b", "dtls://host:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := site.ParseAddress(text)
		if err != nil {
			return
		}
		if again, err := site.ParseAddress(a.String()); err != nil || again != a {
			t.Fatalf("%q is %q, which reads back as %+v, error %v", text, a, again, err)
		}
	})
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
