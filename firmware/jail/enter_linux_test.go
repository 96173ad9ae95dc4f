package jail

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// jailed is the process that TestEnter starts: it enters and says what it can
// still do.
func jailed() {
	status, err := os.Open("/proc/thread-self/status")
	if err != nil {
		fmt.Println("status:", err)
		return
	}
	if err := Enter(Cell{UID: 4321, Root: os.Getenv("TAPROOT_TEST_ROOT"), MaxFiles: 16}); err != nil {
		fmt.Println(err)
		return
	}
	text, _ := io.ReadAll(status)
	fmt.Printf("%s\n", text)
	_, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
	fmt.Println("packet socket:", err)
	_, err = os.ReadDir("/proc")
	fmt.Println("read /proc:", err)
	fmt.Println("write:", os.WriteFile("/file", []byte("x"), 0o600))
	fmt.Println("root again:", syscall.Setuid(0))
	ports, err := net.Interfaces()
	fmt.Println("interfaces:", len(ports), err)
	fmt.Println("pid:", os.Getpid())
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	fmt.Println("dumpable:", dumpable, err)
}

func TestEnter(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	root := t.TempDir()
	if err := os.Chmod(root, 0o555); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(buildStage(t))
	cmd.Env = []string{"TAPROOT_TEST_STAGE=jailed", "TAPROOT_TEST_ROOT=" + root}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: Unshared}
	out, err := cmd.CombinedOutput()
	if err != nil {
		if os.IsPermission(err) {
			t.Skipf("no namespaces here: %v", err)
		}
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"Uid:\t4321\t4321\t4321\t4321", "Gid:\t4321\t4321\t4321\t4321", "Groups:\t \n", "NoNewPrivs:\t1",
		"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
		"CapBnd:\t0000000000000000", "CapAmb:\t0000000000000000",
		"packet socket: operation not permitted", "read /proc: open /proc: no such file",
		"write: open /file: permission denied", "root again: operation not permitted",
		"interfaces: 1 <nil>", "pid: 1\n", "dumpable: 0 <nil>\n",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// landlocked is a process under landlock alone, without the filter, and root at
// that: it says which files it can still use.
func landlocked() {
	_, err := os.ReadDir("/")
	fmt.Println("before:", err)
	abi, err := forbidFiles()
	fmt.Println("landlock:", abi, err)
	_, err = os.ReadDir("/")
	fmt.Println("read:", err)
	fmt.Println("write:", os.WriteFile(os.Getenv("TAPROOT_TEST_ROOT")+"/x", nil, 0o600))
}

func TestLandlock(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: others need no_new_privs first")
	}
	cmd := exec.Command(buildStage(t))
	root := t.TempDir()
	cmd.Env = []string{"TAPROOT_TEST_STAGE=landlocked", "TAPROOT_TEST_ROOT=" + root}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(string(out), "landlock: 0 <nil>") {
		t.Skip("this kernel has no landlock")
	}
	for _, want := range []string{"before: <nil>\n", "read: open /: permission denied\n", "write: open " + root + "/x: permission denied\n"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
