package ledger_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestModel has spin search every state of model/store.pml, and see that each
// rule of the protocol is needed.
func TestModel(t *testing.T) {
	if _, err := exec.LookPath("spin"); err != nil {
		t.Skip("spin is not installed: scripts/install-deps test")
	}
	const (
		one = "N=1 LOSSES=2 COPIES=1 SENDS=2 DEATHS=2 FAILURES=1 OUTAGES=1"
		two = "N=2 LOSSES=1 COPIES=0 SENDS=1 DEATHS=1 FAILURES=1 OUTAGES=0"
	)
	tests := []struct {
		breaks string
		params string
		found  string // what spin says; empty where it finds nothing
		sweep  bool
	}{
		{"NOTHING", one, "", false},
		{"NOTHING", two, "", true},
		{"ACK_BEFORE_SYNC", one, "owner[0]!=0", false},
		{"CLAIM_BEFORE_SYNC", one, "disk[(((owner[0]-1)*1)+0)]>0", false},
		{"NO_CLAIM", one, "rows[0]<=1", false},
		{"NO_SETTLE", one, "rows[0]<=1", false},
		{"BELIEVE_SYNC", one, "owner[0]!=0", false},
		{"NO_CUT", one, "rows[0]<=1", false},
		{"RECLAIM", one, "invalid end state", false},
	}
	for _, tt := range tests {
		t.Run(tt.breaks+" "+tt.params[:3], func(t *testing.T) {
			if tt.sweep && os.Getenv("TAPROOT_SWEEP") == "" {
				t.Skip("minutes: make sweep")
			}
			out := search(t, tt.breaks, strings.Fields(tt.params))
			switch {
			case !strings.Contains(out, "errors: "):
				t.Fatalf("the search has not ended:\n%s", out)
			case tt.found == "" && (!strings.Contains(out, "errors: 0") || strings.Contains(out, "search was incomplete")):
				t.Errorf("spin found:\n%s", out)
			case !strings.Contains(out, tt.found):
				t.Errorf("spin did not find %q:\n%s", tt.found, out)
			}
			for line := range strings.Lines(out) {
				if strings.Contains(line, "states, stored") {
					t.Logf("NUMBERS: %s", strings.TrimSpace(line))
				}
			}
		})
	}
}

// search makes a verifier of the model and runs it.
func search(t *testing.T, breaks string, params []string) string {
	t.Helper()
	model, err := filepath.Abs("model/store.pml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run := func(name string, args ...string) string {
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return string(out)
	}
	args := []string{"-a", "-DBREAK=" + breaks}
	for _, p := range params {
		args = append(args, "-D"+p)
	}
	run("spin", append(args, model)...)
	optimize := "-O0" // a broken rule is found at once
	if breaks == "NOTHING" {
		optimize = "-O1"
	}
	run("gcc", "-w", optimize, "-DSAFETY", "-DCOLLAPSE", "-o", "pan", "pan.c")
	return run("./pan", fmt.Sprintf("-m%d", 1_000_000))
}
