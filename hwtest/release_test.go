package hwtest_test

import (
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/hwtest/rig"
)

// A workshop is a lab whose machine is updated by releases that its collector
// offers.
type workshop struct {
	*lab
	how  rig.Config
	repo string
	keys string
}

// newWorkshop makes a repository and a lab.
func newWorkshop(t *testing.T, boardName string) *workshop {
	t.Helper()
	l := newLab(t, boardName)
	dir := t.TempDir()
	w := &workshop{lab: l, repo: filepath.Join(dir, "repo"), keys: filepath.Join(dir, "keys")}
	w.release("init")
	w.how = rig.Config{Board: l.board, Dir: t.TempDir(), Once: true}
	return w
}

// release runs a verb of "taproot release".
func (w *workshop) release(verb string, args ...string) string {
	w.t.Helper()
	args = append([]string{"release", verb, "--repo", w.repo, "--keys", w.keys, "--data", w.collector.Data}, args...)
	out, err := exec.CommandContext(w.t.Context(), tools(w.t).Taproot, args...).CombinedOutput()
	if err != nil {
		w.t.Fatalf("taproot %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// build makes an image of a release.
func (w *workshop) build(name string, flags ...string) string {
	w.t.Helper()
	w.t.Setenv("GOFLAGS", "-tags=drill")
	defer w.t.Setenv("GOFLAGS", "")
	out := filepath.Join(w.t.TempDir(), name)
	err := tools(w.t).Build(w.t.Context(), nil, append(flags, "--board", w.board.Name, "--site", w.collector.Site(),
		"--root", filepath.Join(w.repo, "metadata", "root.json"), "--release", name, "-o", out)...)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// offer signs an image as a release and publishes it.
func (w *workshop) offer(dir string, flags ...string) {
	w.t.Helper()
	w.t.Log(w.release("sign", append([]string{"--image", dir, "--channel", "stable"}, flags...)...))
	w.release("publish")
}

func (w *workshop) start() {
	w.t.Helper()
	m, err := rig.Start(w.t.Context(), w.how)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(m.Close)
	w.machine, w.how.Disk = m, m.Disk
}

// restart waits for the machine to restart and goes on with a cold start, as
// after each reset of a machine that loses its watchdog's state.
func (w *workshop) restart() {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), bootTimeout)
	defer cancel()
	if err := w.machine.Wait(ctx); err != nil {
		w.t.Fatal(err)
	}
	w.tapIsSilent()
	w.machine.Close()
	w.start()
}

// traffic puts a frame on the tap port five times a second, each a flow of its
// own, until it is stopped.
func (w *workshop) traffic() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	tap := w.machine.Tap
	running.Go(func() {
		for port := uint16(20000); ctx.Err() == nil; port++ {
			tap.Send(udpFrame(port, trafficPort)) // what a machine that is off does not take is the gap
			time.Sleep(200 * time.Millisecond)
		}
	})
	return func() {
		cancel()
		running.Wait()
	}
}

const trafficPort = 4242

// udpFrame returns an Ethernet frame with an empty UDP datagram (RFC 768).
func udpFrame(from, to uint16) []byte {
	be := binary.BigEndian
	f := append(make([]byte, 0, 60), 2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 8, 8, 0)
	f = append(f, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2)
	sum := uint32(0)
	for i := 14; i < 34; i += 2 {
		sum += uint32(be.Uint16(f[i:]))
	}
	sum = sum&0xffff + sum>>16
	be.PutUint16(f[24:], ^uint16(sum))
	f = be.AppendUint16(be.AppendUint16(f, from), to)
	f = append(f, 0, 8, 0, 0)
	return f[:60]
}

// TestReleases is the way there and back: a machine that runs one release is
// updated to the next with a patch, and back when that is withdrawn, with
// traffic on the tap port all the time.
func TestReleases(t *testing.T) {
	long(t)
	w := newWorkshop(t, "qemu-x86-64")
	one, two := w.build("one"), w.build("two")
	w.how.Image = one
	w.offer(one)
	w.start()
	w.expect(`taproot: slot A runs, release one`)
	w.enrol()
	stop := w.traffic()
	w.expect(`taproot: first batch acknowledged`)
	time.Sleep(5 * time.Second) // of records before

	w.offer(two)
	w.expect(`taproot: updating to release two, number 2`)
	took, _ := w.expect(`taproot: release two is in slot B after (\S+) s, from \S+\.delta$`)
	numbers(t, "an update by patch is fetched, rebuilt, written and armed in %s s", took)
	w.expect(`taproot: restarting`)
	down := time.Now()
	stop()
	w.restart()
	w.expect(`taproot: tap port \S+ open`)
	numbers(t, "nothing is captured for %.1f s in an update", time.Since(down).Seconds())
	stop = w.traffic()
	w.expect(`taproot: slot B is on trial`)
	w.enrol()
	w.expect(`taproot: slot B is confirmed`)
	time.Sleep(5 * time.Second) // of records after

	w.release("withdraw", "two")
	w.release("publish")
	w.expect(`taproot: updating to release one, number 1`)
	w.expect(`taproot: release one is in slot A after (\S+) s`)
	stop()
	w.restart()
	w.expect(`taproot: slot A is on trial`)
	w.enrol()
	w.expect(`taproot: slot A is confirmed`)
	w.powerOff()

	flows, err := strconv.Atoi(w.ask("SELECT count(*) FROM flow WHERE dst_port = " + strconv.Itoa(trafficPort)))
	if err != nil || flows < 40 {
		t.Errorf("%d flows were recorded before and after the updates (%v), want at least 40", flows, err)
	}
	if s := w.release("status"); !strings.Contains(s, "stable: offered to all") || !strings.Contains(s, "one") {
		t.Errorf("status:\n%s", s)
	}
}

// TestBadReleases boots releases that are signed and do not work. The machine
// comes back to the one before by itself, says what failed, and the sensor reports
// it. make sweep has all of them, make test one.
func TestBadReleases(t *testing.T) {
	bad := []struct{ name, says string }{
		{"sick-panic", `drill: kernel panic`},
		{"sick-exit", `drill: exit`},
		{"sick-hang", `drill: hang`}, // which the watchdog ends
		{"sick-link", `is given up: not confirmed in 20s; not seen: the collector has stored a batch`},
		{"nobody", `is given up: not confirmed in 20s; not seen: the collector has stored a batch`},
	}
	if os.Getenv("TAPROOT_SWEEP") == "" {
		bad = bad[:1]
	}
	w := newWorkshop(t, "qemu-x86-64")
	w.how.Image = w.build("one")
	w.offer(w.how.Image)
	w.start()
	for _, b := range bad {
		w.expect(`taproot: slot A runs, release one`)
		w.enrol()
		w.release("rollout", "--channel", "stable", "--resume")
		w.offer(w.build(b.name), "--confirm", "20s", "--deltas", "0")
		w.expect(`taproot: release ` + b.name + ` is in slot B`)
		if b.name == "nobody" { // there is nothing wrong with it but that no collector answers
			w.expect(`taproot: restarting`)
			w.collector.Kill()
		}
		w.restart()
		w.expect(b.says)
		if b.name == "nobody" {
			w.startCollector()
		}
		w.restart()
		if !strings.Contains(b.says, "given up") { // which that boot has noted itself
			w.expect(`taproot: the trial of slot B has failed: silent, 1 times`)
		}
		w.release("withdraw", b.name)
		w.release("publish")
	}
	w.expect(`taproot: slot A runs, release one`)
	w.enrol()
	w.expect(`taproot: first batch acknowledged`)
	w.powerOff()
	if n := w.ask("SELECT count(DISTINCT counter) FROM sensor WHERE counter LIKE 'trial_%'"); n != strconv.Itoa(len(bad)) {
		t.Errorf("%s failed trials were reported, want %d", n, len(bad))
	}
	t.Log(w.release("status"))
}
