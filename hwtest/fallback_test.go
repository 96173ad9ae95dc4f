package hwtest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// inNetns is set in the process that runs a test in a network of its own.
const inNetns = "TAPROOT_TEST_NETNS"

// ownNetwork runs the test once more, in a process with a network namespace of
// its own; it reports whether this is that process.
func ownNetwork(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inNetns) != "" {
		return true
	}
	for _, tool := range []string{"unshare", "nft", "ip"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s: scripts/install-deps test", tool)
		}
	}
	if os.Getuid() != 0 {
		t.Skip("needs root, for a network of its own")
	}
	cmd := exec.Command("unshare", "-n", os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=100s")
	cmd.Env = append(os.Environ(), inNetns+"=1")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
	return false
}

// nft runs a command of nft(8), in the test's own network.
func nft(t *testing.T, command string) {
	t.Helper()
	if out, err := exec.Command("nft", command).CombinedOutput(); err != nil {
		t.Fatalf("nft %s: %v\n%s", command, err, out)
	}
}

// A firewall that drops UDP is gone round: by DTLS while it drops that port
// alone, by WebSocket when it drops all of UDP, and by UDP again when it drops
// nothing. No batch is lost, and none stored twice.
func TestFallback(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	if !ownNetwork(t) {
		return
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s, dir := newTestSite(t), t.TempDir()
	c := startCollector(t, s, dir, "127.0.0.1:0", approve)
	p := startPorts(t, s, c, approve)
	u := startUplink(t, p.site)
	nft(t, "add table inet t; add chain inet t in { type filter hook input priority 0; }")

	n, seen := 0, map[string]int{}
	deliver := func(carrier string) {
		t.Helper()
		start, stored := time.Now(), c.edge.Counters()["batches_stored"]
		line := "sending by " + carrier
		for u.count(line) == seen[line] && time.Since(start) < 60*time.Second {
			u.send(t, n, 2, 5000)
			n += 2
			time.Sleep(100 * time.Millisecond)
		}
		if u.count(line) == seen[line] {
			t.Fatalf("not by %s after %v; the sensor said %q", carrier, time.Since(start), u.said)
		}
		seen[line] = u.count(line)
		eventually(t, "a batch is stored by "+carrier, func() bool { return c.edge.Counters()["batches_stored"] > stored })
		t.Logf("by %s after %v, with %d batches", carrier, time.Since(start).Round(100*time.Millisecond), n)
	}
	deliver("UDP")
	_, port, _ := strings.Cut(c.addr, ":")
	nft(t, fmt.Sprintf("add rule inet t in udp dport %s drop", port))
	deliver("DTLS")
	nft(t, "add rule inet t in meta l4proto udp drop")
	deliver("WSS")
	nft(t, "flush chain inet t in")
	deliver("UDP")
	u.finish(t)
	c.stop()
	checkStored(t, dir, n)
}

// count returns how many lines with text the sensor has said.
func (u *testUplink) count(text string) (n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, line := range u.said {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}
