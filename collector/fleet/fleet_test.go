package fleet_test

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taproot-sensor/taproot/collector/fleet"
	"github.com/taproot-sensor/taproot/collector/postgres"
	"github.com/taproot-sensor/taproot/collector/postgres/postgrestest"
	"github.com/taproot-sensor/taproot/wire/enrol"
)

var (
	start = time.Date(2026, 11, 21, 8, 0, 0, 5, time.UTC)
	from  = netip.MustParseAddrPort("192.0.2.7:7755")
)

func open(t testing.TB, path string) *fleet.Registry {
	t.Helper()
	r, err := fleet.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// registries runs a test on each kind of registry. reopen closes the one that
// is open, if any, and opens it again.
func registries(t *testing.T, test func(t *testing.T, reopen func() *fleet.Registry)) {
	t.Run("SQLite", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "fleet #1?.db") // a path is not a URL
		test(t, func() *fleet.Registry { return open(t, path) })
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode = %v, %v; want 0600", info.Mode(), err)
		}
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		server := postgrestest.Start(t)
		test(t, func() *fleet.Registry {
			pool, err := postgres.Open(t.Context(), server.URL)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(pool.Close)
			r, err := fleet.OpenShared(t.Context(), pool)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close() })
			return r
		})
	})
}

func seen(t testing.TB, r *fleet.Registry, id enrol.Identity, after time.Duration) fleet.Sensor {
	t.Helper()
	s, err := r.Seen(id, enrol.Claims{"board": "qemu-x86-64"}, from, start.Add(after))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLifeOfASensor(t *testing.T) { registries(t, testLifeOfASensor) }

func testLifeOfASensor(t *testing.T, reopen func() *fleet.Registry) {
	r := reopen()
	id := enrol.Identity{0xab, 0xcd, 0xef}
	got := seen(t, r, id, 0)
	want := fleet.Sensor{
		ID: "abcdef" + strings.Repeat("0", 58), Code: id.Code(), State: fleet.Pending,
		Claims: enrol.Claims{"board": "qemu-x86-64"}, Address: "192.0.2.7:7755", FirstSeen: start, LastSeen: start,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("new sensor (-want +got)\n%s", diff)
	}
	if _, err := r.Approve(t.Context(), strings.ToLower(id.Code()), "ann", start.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	r.Close()

	r = reopen()
	got = seen(t, r, id, time.Minute)
	want.State, want.Evidence, want.DecidedBy, want.DecidedAt = fleet.Approved, fleet.Compared, "ann", start.Add(time.Second)
	want.LastSeen = start.Add(time.Minute)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("approved sensor (-want +got)\n%s", diff)
	}
	if got, err := r.Revoke(t.Context(), "ABCD", "bob", start); err != nil || got.State.Status() != enrol.Refused {
		t.Errorf("revoked sensor = %+v, %v", got, err)
	}
	if got := seen(t, r, id, time.Hour); got.State != fleet.Revoked {
		t.Errorf("state after revocation = %q", got.State)
	}
	if revoked, err := r.Revoked(t.Context()); err != nil || !slices.Equal(revoked, []enrol.Identity{id}) {
		t.Errorf("revoked: %v, %v", revoked, err)
	}
}

func TestFind(t *testing.T) { registries(t, testFind) }

func testFind(t *testing.T, reopen func() *fleet.Registry) {
	r := reopen()
	a, b := enrol.Identity{0xaa, 0xbb, 1}, enrol.Identity{0xaa, 0xbb, 2}
	seen(t, r, a, 0)
	seen(t, r, b, 1)
	tests := []struct {
		ref  string
		want string // code, or part of the error
	}{
		{a.Code(), a.Code()},
		{strings.ReplaceAll(b.Code(), "-", ""), b.Code()},
		{"aabb01", a.Code()},
		{"aabb", "2 sensors are known by that"},
		{"aab", "not found"},
		{"", "not found"},
		{"%", "not found"},
	}
	for _, tt := range tests {
		s, err := r.Find(t.Context(), tt.ref)
		switch {
		case err == nil && s.Code != tt.want:
			t.Errorf("Find(%q) = %q, want %q", tt.ref, s.Code, tt.want)
		case err != nil && (!errors.Is(err, fleet.ErrNotFound) || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("Find(%q) = %v, want %q", tt.ref, err, tt.want)
		}
	}
}

// Made-up sensors push out only each other, the longest silent first.
func TestPendingIsBounded(t *testing.T) { registries(t, testPendingIsBounded) }

func testPendingIsBounded(t *testing.T, reopen func() *fleet.Registry) {
	r := reopen()
	const bound = 1024
	id := func(n int) enrol.Identity { return enrol.Identity{byte(n >> 8), byte(n), 1} }
	for n := range bound {
		seen(t, r, id(n), time.Duration(n))
	}
	if _, err := r.Approve(t.Context(), id(0).Code(), "ann", start); err != nil {
		t.Fatal(err)
	}
	seen(t, r, id(1), time.Hour) // still there and asking
	seen(t, r, id(bound), time.Hour)
	seen(t, r, id(bound+1), time.Hour)
	list, err := r.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for _, s := range list {
		have[s.Code] = true
	}
	if len(list) != bound+1 || !have[id(0).Code()] || !have[id(1).Code()] || have[id(2).Code()] || !have[id(3).Code()] {
		t.Errorf("%d sensors are left, want %d without the longest silent", len(list), bound+1)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{garbage, dir, filepath.Join(dir, "no", "such")} {
		if r, err := fleet.Open(path); err == nil {
			r.Close()
			t.Errorf("Open(%s) took it", path)
		}
	}
}
