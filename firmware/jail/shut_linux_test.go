package jail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/jail/attack"
	"github.com/taproot-sensor/taproot/firmware/meter"
	"github.com/taproot-sensor/taproot/wire/batch"
)

var testRing = capture.RingOptions{Blocks: 8, BlockSize: 1 << 17, LockFilter: true}

// shutIn is the process that the tests start: a meter in its jail.
func shutIn(then func(ring capture.Source, socket, out *os.File)) {
	socket, out := os.NewFile(FirstFD, "ring"), os.NewFile(FirstFD+1, "batches")
	if err := Enter(Cell{UID: 4321, Root: os.Getenv("TAPROOT_TEST_ROOT"), MaxFiles: 16}); err != nil {
		fmt.Println(err)
		return
	}
	ring, err := capture.RingFrom(socket, testRing)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("others: %q\n", attack.Others())
	// What is refused later works now.
	for _, try := range attack.Sends(FirstFD, 2)[:5] {
		_, err := try.Denied()
		fmt.Printf("before: %s: %v\n", try.Name, err)
	}
	landlock, err := ShutIn([]*os.File{out}, []*os.File{socket})
	fmt.Println("shut in:", landlock, err)
	then(ring, socket, out)
}

// attacks tries everything.
func attacks(_ capture.Source, socket, out *os.File) {
	for _, try := range append(attack.Sends(FirstFD, 2), attack.Escapes(1, 2)...) {
		denied, err := try.Denied()
		fmt.Printf("%s: denied %t: %v\n", try.Name, denied, err)
	}
	_, err := out.Write([]byte("x"))
	fmt.Println("out:", err)
	_, err = os.NewFile(0, "in").Write([]byte("x"))
	fmt.Println("in:", err)
}

// metered meters while threads come and go and the collector is busy.
func metered(ring capture.Source, _, out *os.File) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
	defer cancel()
	debug.SetGCPercent(5)
	var threads atomic.Int64
	for range 4 {
		go func() {
			for ctx.Err() == nil {
				done := make(chan int)
				go func() {
					runtime.LockOSThread() // and never unlock: the thread ends with it
					threads.Add(1)
					done <- len(make([]byte, 1<<20))
				}()
				<-done
				time.Sleep(time.Millisecond)
			}
		}()
	}
	beats, supervisor := 0, Supervisor()
	err := meter.Run(ctx, meter.Config{Source: ring, Out: out, FlowCapacity: 1 << 12, Heartbeat: func() { beats++; supervisor.Beat() }})
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Printf("metered: %v, frames %t, beats %t, threads %t, collections %t\n",
		err, ring.Stats().Frames >= 500, beats > 2, threads.Load() > 100, m.NumGC > 10)
	out.Close()
}

// x32Call makes a call of amd64's other ABI.
func x32Call(capture.Source, *os.File, *os.File) {
	syscall.RawSyscall(x32+unix.SYS_GETPID, 0, 0, 0)
	fmt.Println("still here")
}

// startShutIn starts a stage with a ring on loopback and returns what it says,
// how it ends, and what comes out of it.
func startShutIn(t *testing.T, mode string) (said string, batches []byte, end error) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	socket, err := capture.OpenSocket("lo", testRing)
	if errors.Is(err, os.ErrPermission) {
		t.Skipf("needs CAP_NET_RAW: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	var pipes [4]*os.File
	for i := 0; i < 4; i += 2 {
		if pipes[i], pipes[i+1], err = os.Pipe(); err != nil {
			t.Fatal(err)
		}
		defer pipes[i].Close()
	}
	root := t.TempDir()
	if err := os.Chmod(root, 0o555); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(buildStage(t))
	cmd.Env = []string{"TAPROOT_TEST_STAGE=" + mode, "TAPROOT_TEST_ROOT=" + root}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: Unshared}
	cmd.ExtraFiles = []*os.File{pipes[1], socket, pipes[3]}
	var text strings.Builder
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Start(); err != nil {
		if os.IsPermission(err) {
			t.Skipf("no namespaces here: %v", err)
		}
		t.Fatal(err)
	}
	time.AfterFunc(60*time.Second, func() { cmd.Process.Kill() })
	pipes[1].Close()
	pipes[3].Close()
	go io.Copy(io.Discard, pipes[0])
	stop := make(chan struct{})
	defer close(stop)
	go datagrams(stop)
	batches, _ = io.ReadAll(pipes[2])
	end = cmd.Wait()
	return text.String(), batches, end
}

// datagrams sends on loopback until stop.
func datagrams(stop <-chan struct{}) {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return
	}
	defer c.Close()
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Millisecond):
			c.WriteTo([]byte("hello"), c.LocalAddr())
		}
	}
}

// buildStage builds this test without cgo, as the sensor is: only then can Go
// set all its threads.
func buildStage(t *testing.T) string {
	t.Helper()
	stage := filepath.Join(t.TempDir(), "stage")
	build := exec.Command("go", "test", "-c", "-o", stage, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if msg, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building a stage: %v\n%s", err, msg)
	}
	return stage
}

func TestShutInDeniesEverything(t *testing.T) {
	said, out, end := startShutIn(t, "attacks")
	if end != nil || string(out) != "x" {
		t.Errorf("stage ended with %v and wrote %q", end, out)
	}
	for _, try := range append(attack.Sends(-1, -1), attack.Escapes(1, 2)...) {
		if want := "\n" + try.Name + ": denied true: operation not permitted\n"; !strings.Contains(said, want) {
			t.Errorf("no %q", want)
		}
	}
	for _, want := range []string{"others: []\n", "before: sendto on the ring: <nil>\n", "before: write on the ring: <nil>\n", "out: <nil>\n", "in: write in: operation not permitted"} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q", want)
		}
	}
	if t.Failed() {
		t.Log(said)
	}
}

// TestOthers has processes that can be named: the parent of this one is got at
// in every way, so what a stage does not find is not there.
func TestOthers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	found := strings.Join(attack.Others(), "\n") + "\n"
	for _, want := range []string{"a signal of process %d: <nil>\n", "a descriptor of process %d: <nil>\n"} {
		if os.Getppid() <= attack.MaxPID && !strings.Contains(found, fmt.Sprintf(want, os.Getppid())) {
			t.Errorf("not found: "+want, os.Getppid())
		}
	}
	if !strings.Contains(found, "memory of process") || !strings.Contains(found, "file /proc of") {
		t.Errorf("found only %.2000s", found)
	}
}

func TestShutInMeters(t *testing.T) {
	said, out, end := startShutIn(t, "metered")
	if want := "metered: <nil>, frames true, beats true, threads true, collections true\n"; end != nil || !strings.Contains(said, want) {
		t.Errorf("stage ended with %v, want %q:\n%s", end, want, said)
	}
	records := 0
	for r := strings.NewReader(string(out)); ; {
		f, err := batch.ReadFrame(r)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		records += f.Records
	}
	if records == 0 {
		t.Error("no records")
	}
}

func TestShutInEndsForeignCalls(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("x32 is amd64's")
	}
	said, _, end := startShutIn(t, "x32")
	var exit *exec.ExitError
	if !errors.As(end, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGSYS || strings.Contains(said, "still") {
		t.Errorf("got %v, want the end by SIGSYS:\n%s", end, said)
	}
}
