package hwtest_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/hwtest/rig"
)

// TestFaultySensor boots an image in which meter ends once and hangs once, and
// then process 1 hangs: the sensor meters on, its operator learns how often that
// was, and the watchdog resets a machine that nobody else could.
func TestFaultySensor(t *testing.T) {
	long(t)
	l := newLab(t, "qemu-x86-64")
	l.image = imageWithTag(t, l, "faulty")
	l.boot(rig.Config{Direct: true})
	l.enrol()
	l.expect(`taproot: faulty: meter ends`)
	l.expect(`taproot: faulty: meter hangs`)
	l.expect(`stage ended.*silent for`)
	l.expect(`taproot: faulty: meter works`)
	l.play(captures(t)[0])
	for _, tt := range []struct{ sql, want string }{
		{"SELECT max(value) FROM sensor WHERE counter = 'meter_crashes'", "2"},
		{"SELECT max(value) FROM sensor WHERE counter = 'meter_silences'", "1"},
	} {
		for deadline := time.Now().Add(bootTimeout); l.ask(tt.sql) != tt.want; time.Sleep(500 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: got %s, want %s", tt.sql, l.ask(tt.sql), tt.want)
			}
		}
	}
	l.awaitRows("flow", 1)

	if err := l.machine.TapPower(); err != nil {
		t.Fatal(err)
	}
	_, hung := l.expect(`taproot: faulty: process 1 hangs`)
	boots := func() int { return l.machine.Console.Count(`taproot: init up`) }
	for deadline := time.Now().Add(bootTimeout); boots() < 2; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the watchdog did not reset the machine")
		}
	}
	numbers(t, "%s: up again %.1f s after process 1 hung", t.Name(), (time.Since(l.machine.On) - hung).Seconds())
}

// imageWithTag builds an image for the lab's site from a sensor with a build tag.
func imageWithTag(t *testing.T, l *lab, tag string) string {
	t.Helper()
	t.Setenv("GOFLAGS", "-tags="+tag)
	defer os.Unsetenv("GOFLAGS")
	dir := filepath.Join(t.TempDir(), tag)
	if err := tools(t).Image(t.Context(), l.board.Name, l.collector.Site(), "", dir, nil); err != nil {
		t.Fatal(err)
	}
	return dir
}
