package powercut_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/slots"
	"github.com/taproot-sensor/taproot/hwtest/powercut"
)

// hasty slots commit where they should arm: what they start is no trial.
type hasty struct{ slots.Slots }

func (h hasty) Arm(s slots.Slot) error { return h.Commit(s) }

// TestSweepFindsBricks: a sweep over a machine that is known to be wrong must
// find that it is.
func TestSweepFindsBricks(t *testing.T) {
	for _, c := range powercut.Chains() {
		t.Run(c.Name+"/arm commits", func(t *testing.T) {
			wrong, right := *c, c.Slots
			wrong.Slots = func(m *powercut.Machine, table slots.Table, s powercut.Start) slots.Slots {
				return hasty{right(m, table, s)}
			}
			all := powercut.ModelReleases(&wrong)
			m, err := powercut.NewMachine(&wrong, all[0].Image)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := powercut.Record(m, all); err == nil || !strings.Contains(err.Error(), "hangs in slot") {
				t.Errorf("the story ends with %v, want a machine that hangs", err)
			}
		})
		t.Run(c.Name+"/flush does nothing", func(t *testing.T) {
			rec := record(t, c)
			ops := slices.DeleteFunc(rec.Ops, func(op powercut.Op) bool { return op.Kind == powercut.Flush })
			m := rec.Begin.Clone()
			n, bricks := 0, 0
			for s := range powercut.States(rec.Begin, ops) {
				if !strings.HasPrefix(s.Rule, "reordered") {
					continue
				}
				if n++; n%17 != 0 {
					continue
				}
				s.Load(m)
				if rec.Survives(m, true) != nil {
					bricks++
				}
			}
			if bricks == 0 {
				t.Errorf("no brick among %d states", n/17)
			} else {
				t.Logf("%d bricks among %d states", bricks, n/17)
			}
		})
	}
}
