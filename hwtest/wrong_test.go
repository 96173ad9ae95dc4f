package hwtest_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/hwtest/rig"
	"github.com/taproot-sensor/taproot/provisioning"
)

// TestWrongCollectorKey boots an image that was made for another collector of
// the same address. The sensor tries on and says so; the collector counts what
// it cannot open and knows of no sensor.
func TestWrongCollectorKey(t *testing.T) {
	l := newLab(t, "qemu-x86-64")
	s, err := provisioning.LoadSite(l.collector.Site())
	if err != nil {
		t.Fatal(err)
	}
	other, err := provisioning.CreateKeys(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "site.toml")
	if err := provisioning.WriteSite(path, other.Site("another", s.Collectors)); err != nil {
		t.Fatal(err)
	}
	l.setSite(path)
	l.boot(rig.Config{Direct: true})
	l.expect(`taproot: no answer from 10\.0\.2\.2`)

	drops := func() uint64 {
		status, err := l.collector.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return status.Counters["edge_drop_hello_sealed"]
	}
	first := drops()
	for deadline := time.Now().Add(30 * time.Second); drops() == first; time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("sensor no longer tries: edge_drop_hello_sealed stays at %d", first)
		}
	}
	t.Logf("edge_drop_hello_sealed went from %d to %d", first, drops())
	sensors, err := l.collector.Sensors(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(sensors) != 0 {
		t.Errorf("collector knows %d sensors, want none", len(sensors))
	}
	if n := l.machine.Console.Count(`enrolled|waiting for approval`); n != 0 {
		t.Errorf("sensor believes a collector without the site's key")
	}
	l.powerOff()
}

// TestMissingTapPort boots a board whose tap port is not there. The sensor
// says which port it misses, joins its collector all the same, and can be
// switched off.
func TestMissingTapPort(t *testing.T) {
	l := newLab(t, "qemu-x86-64")
	l.boot(rig.Config{Direct: true, NoTap: true})
	said, _ := l.expect(`taproot: (tap port missing.*)`)
	t.Logf("console: %s", said)
	l.enrol()
	l.expect(`taproot: first batch acknowledged`)
	l.awaitRows("sensor", 1)
	l.powerOff()
}
