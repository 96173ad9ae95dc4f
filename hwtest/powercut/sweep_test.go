package powercut_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/hwtest/powercut"
)

// record plays the story on a chain's model.
func record(t testing.TB, c *powercut.Chain) *powercut.Recording {
	t.Helper()
	all := powercut.ModelReleases(c)
	m, err := powercut.NewMachine(c, all[0].Image)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := powercut.Record(m, all)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// TestSweep cuts the power at every point of a machine's life of four updates,
// two of which fail. "make sweep" tries every state, other tests a sample.
func TestSweep(t *testing.T) {
	every := 61 // prime, so that the sample wanders over all rules
	switch {
	case os.Getenv("TAPROOT_SWEEP") != "":
		every = 1
	case testing.Short():
		every = 601
	}
	for _, c := range powercut.Chains() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			bricks := 0
			result := record(t, c).Sweep(every, func(s powercut.State, err error) {
				if bricks++; bricks <= 10 {
					t.Errorf("power cut %v: %v", s, err)
				}
			})
			var rules []string
			for rule, n := range result.Rules {
				rules = append(rules, fmt.Sprintf("%s: %d", rule, n))
			}
			slices.Sort(rules)
			line := fmt.Sprintf("%s: %d states, %d of them of a second cut, %d bricks (%s)",
				c.Name, result.States, result.Second, bricks, strings.Join(rules, "; "))
			t.Log(line)
			if every == 1 {
				fmt.Println("NUMBERS", line)
				if result.States < 10_000 {
					t.Errorf("%d states, want 10000 or more", result.States)
				}
			}
		})
	}
}
