package hwtest_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/hwtest/rig"
	"github.com/taproot-sensor/taproot/provisioning"
)

// liveMemory is what a machine has in the scenarios of systems that are updated
// in RAM: the release is there twice for a moment, and once more in the kernel.
const liveMemory = 320

// TestLiveUpdate: a system that runs from RAM goes over to the next release by
// kexec. It stays the sensor that was approved, and says what it runs.
func TestLiveUpdate(t *testing.T) {
	w := newWorkshop(t, "qemu-x86-64")
	w.how.Direct, w.how.Memory = true, liveMemory
	w.live()
}

// TestLiveISO is the same from a CD, of which patches are made, by a BIOS.
func TestLiveISO(t *testing.T) {
	long(t)
	w := newWorkshop(t, "pc")
	w.how.BIOS, w.how.ISO, w.how.Memory = true, rig.CD, liveMemory
	w.live()
	if line, _ := w.machine.Console.Last(`taproot: release two is in RAM after .*, from (.*)$`); !strings.HasSuffix(line[1], ".delta") {
		t.Errorf("it was made of %q, want a patch of the CD's slot", line[1])
	}
}

// Releases that do not work: the machine comes back to what it was started from,
// by itself or by its watchdog, which is armed across kexec. The sensor knows
// nothing of that; its collector says what has failed, and offers it no more.

func TestLivePanic(t *testing.T)    { liveFails(t, "sick-panic") }
func TestLiveExit(t *testing.T)     { liveFails(t, "sick-exit") }
func TestLiveNoUplink(t *testing.T) { liveFails(t, "sick-link") }

// TestLiveHang hangs once the watchdog's driver is there, TestLiveEarlyHang before
// it: then it is what the system before has armed that bites.
func TestLiveHang(t *testing.T)      { liveFails(t, "sick-hang") }
func TestLiveEarlyHang(t *testing.T) { liveFails(t, "sick-start") }

func liveFails(t *testing.T, bad string) {
	long(t)
	w := newWorkshop(t, "qemu-x86-64")
	w.how.Direct, w.how.Memory = true, liveMemory
	w.how.Image = w.build("one")
	w.offer(w.how.Image)
	w.offer(w.build(bad), "--confirm", "20s")
	w.release("rollout", "--channel", "stable", "--failures", "2") // it goes on for others
	w.start()
	w.expect(`taproot: release one runs in RAM`)
	w.enrol()
	w.expect(`taproot: release ` + bad + ` is in RAM`)
	w.expect(`taproot: drill: `)
	ctx, cancel := context.WithTimeout(t.Context(), 2*bootTimeout)
	defer cancel()
	if err := w.machine.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	w.tapIsSilent()
	w.machine.Close()
	w.start()
	w.expect(`taproot: release one runs in RAM`)
	w.enrol()
	w.expect(`taproot: first batch acknowledged`)
	failed := regexp.MustCompile(`\s0\s+one\s+` + bad + `\s`) // it does not know what runs, is offered what does, and has failed
	w.eventually("the collector says that "+bad+" has failed", func() bool { return failed.MatchString(w.release("status")) })
	time.Sleep(8 * time.Second) // of questions
	if n := w.machine.Console.Count(`taproot: updating`); n > 0 {
		t.Errorf("%s is offered again", bad)
	}
	w.powerOff()
}

// TestLiveMemory: a release that does not fit in memory is refused and reported,
// and the sensor goes on.
func TestLiveMemory(t *testing.T) {
	long(t)
	w := newWorkshop(t, "qemu-x86-64")
	w.how.Direct = true // in 128 MiB
	one, two := w.build("one"), w.build("two")
	w.how.Image = one
	w.offer(two)
	w.start()
	w.expect(`taproot: release one runs in RAM`)
	w.enrol()
	w.expect(`taproot: update refused: release "two": does not fit in memory: it takes \S+ MB`)
	w.eventually("it is reported", func() bool {
		return w.ask("SELECT count(*) FROM sensor WHERE counter = 'update_refused_memory' AND value > 0") != "0"
	})
	w.powerOff()
}

// TestLiveSecureBoot: where the firmware checks signatures the kernel does too,
// and starts by kexec what was signed with the owner's key, and nothing else.
func TestLiveSecureBoot(t *testing.T) {
	long(t)
	w := newWorkshop(t, "pc")
	if _, err := os.Stat(rig.SecureBootCode); err != nil {
		missing(t, "no UEFI with Secure Boot: "+err.Error())
	}
	keys := filepath.Join(t.TempDir(), "owner")
	sb, err := provisioning.CreateSecureBoot(keys, "owner", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.how.SecureBoot, w.how.ISO, w.how.Memory = enrolled(t, sb), rig.CD, liveMemory
	unsigned := w.build("unsigned")
	one := w.build("one", "--secureboot", keys, "--debug")
	two := w.build("two", "--secureboot", keys, "--debug")
	w.how.Image = one
	w.offer(unsigned)
	w.start()
	w.expect(`Kernel is locked down from`)
	w.expect(`taproot: release one runs in RAM`)
	w.enrol()
	w.expect(`taproot: update refused: updating in RAM: the kernel does not start it: loading kernel: `)
	w.eventually("it is reported", func() bool { return strings.Contains(w.release("status"), "paused: release unsigned for pc failed") })
	w.release("rollout", "--channel", "stable", "--resume")
	w.offer(two)
	w.expect(`taproot: release two is in RAM`)
	w.expect(`taproot: release two is confirmed`)
	if n := w.machine.Console.Count(`Kernel is locked down from`); n != 2 {
		t.Errorf("the kernel was locked down %d times, want 2: once for each", n)
	}
	w.powerOff()
}

// eventually waits until done.
func (w *workshop) eventually(what string, done func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(bootTimeout); !done(); time.Sleep(time.Second) {
		if time.Now().After(deadline) {
			w.t.Fatalf("not in %v: %s", bootTimeout, what)
		}
	}
}

// live updates a system in RAM, with traffic on its tap port.
func (w *workshop) live() {
	w.t.Helper()
	one, two := w.build("one"), w.build("two")
	w.how.Image = one
	w.offer(one)
	w.start()
	first := w.when(`taproot: init up`, 1)
	w.expect(`taproot: release one runs in RAM`)
	w.enrol()
	stop := w.traffic()
	w.expect(`taproot: first batch acknowledged`)
	time.Sleep(3 * time.Second) // of records before

	w.offer(two)
	w.expect(`taproot: updating to release two, number 2`)
	took, _ := w.expect(`taproot: release two is in RAM after (\S+) s`)
	down := w.when(`taproot: tap ports closed`, 1)
	leaves := w.when(`taproot: starting the next release`, 1)
	up := w.when(`taproot: init up`, 2)
	open := w.when(`taproot: tap port \S+ open`, 2)
	w.expect(`taproot: release two is on trial in RAM`)
	w.expect(`taproot: release two is confirmed`) // nobody approves the sensor again
	numbers(w.t, "%s: fetched and loaded in %s s; nothing is captured for %.1f s (%.1f s of processor time), of which %.1f (%.1f) s is the last batch and %.1f (%.1f) s is from kexec to init; power-on to init took %.1f (%.1f) s",
		w.t.Name(), took, open.since(down), open.worked-down.worked, leaves.since(down), leaves.worked-down.worked, up.since(leaves), up.worked-leaves.worked, first.at.Sub(w.machine.On).Seconds(), first.worked)
	time.Sleep(3 * time.Second) // of records after
	stop()
	w.powerOff()

	boots := w.query("SELECT count(*) AS n FROM flow WHERE dst_port = " + strconv.Itoa(trafficPort) + " GROUP BY boot")
	if len(boots) != 2 {
		w.t.Errorf("flows were recorded in %d boots, want 2: %v", len(boots), boots)
	}
	for _, b := range boots {
		if n, err := strconv.Atoi(b["n"]); err != nil || n < 10 {
			w.t.Errorf("%s flows were recorded before or after the update, want at least 10 each", b["n"])
		}
	}
	if n := w.ask("SELECT count(DISTINCT sensor) FROM flow"); n != "1" {
		w.t.Errorf("the records are of %s sensors, want 1", n)
	}
	if s := w.release("status"); !strings.Contains(s, "stable: offered to all") || !strings.Contains(s, "two") {
		w.t.Errorf("status:\n%s", s)
	}
}

// A mark is when a line was said, and how many seconds of the host's processors
// the machine had used by then.
type mark struct {
	at     time.Time
	worked float64
}

func (m mark) since(before mark) float64 { return m.at.Sub(before.at).Seconds() }

// when waits until a line was said n times.
func (w *workshop) when(pattern string, n int) mark {
	w.t.Helper()
	for deadline := time.Now().Add(bootTimeout); w.machine.Console.Count(pattern) < n; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("the console has not said %q %d times", pattern, n)
		}
	}
	worked, err := w.machine.Worked()
	if err != nil {
		w.t.Fatal(err)
	}
	return mark{time.Now(), worked.Seconds()}
}
