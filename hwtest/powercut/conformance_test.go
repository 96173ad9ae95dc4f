package powercut_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/slots"
	"github.com/taproot-sensor/taproot/hwtest/powercut"
)

// A bench is a machine on which slots are tried, without journal and updates.
type bench struct {
	t *testing.T
	m *powercut.Machine
	s slots.Slots // of the last boot
}

func newBench(t *testing.T, c *powercut.Chain) *bench {
	t.Helper()
	m, err := powercut.NewMachine(c, powercut.System(c, "1"))
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t: t, m: m}
}

// boot starts the machine and wants slot to run, and to know it.
func (b *bench) boot(want slots.Slot) {
	b.t.Helper()
	start, err := b.m.Boot()
	if err != nil {
		b.t.Fatal(err)
	}
	table, err := slots.ReadTable(b.m.Disk)
	if err != nil {
		b.t.Fatal(err)
	}
	b.s = b.m.Chain.Slots(b.m, table, start)
	running, err := b.s.Running()
	if start.Slot != want || running != want || err != nil {
		b.t.Fatalf("slot %s is started, and says that %s runs (%v), want %s", start.Slot, running, err, want)
	}
}

func (b *bench) do(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// reboot is asked for by the running system; power, in other words boot alone,
// is not.
func (b *bench) reboot(want slots.Slot) {
	b.t.Helper()
	b.m.Argument = slots.RebootArgument(b.s)
	b.boot(want)
}

// conformance is what every back end of slots does on its loader.
var conformance = map[string]func(b *bench){
	"a new disk starts": func(b *bench) {
		b.boot(slots.A)
		b.do(b.s.Repair(slots.A))
		b.boot(slots.A)
	},
	"what is armed starts once": func(b *bench) {
		b.boot(slots.A)
		b.do(b.s.Repair(slots.A))
		b.do(b.s.Arm(slots.B))
		b.reboot(slots.B)
		b.boot(slots.A)
		b.boot(slots.A)
	},
	"what is committed starts from now on": func(b *bench) {
		b.boot(slots.A)
		b.do(b.s.Arm(slots.B))
		b.reboot(slots.B)
		b.do(b.s.Commit(slots.B))
		b.boot(slots.B)
		b.reboot(slots.B)
		b.do(b.s.Arm(slots.A))
		b.reboot(slots.A)
		b.do(b.s.Commit(slots.A))
		b.boot(slots.A)
	},
	"a trial that is not committed is over": func(b *bench) {
		b.boot(slots.A)
		b.do(b.s.Arm(slots.B))
		b.reboot(slots.B)
		b.do(b.s.Repair(slots.A))
		b.reboot(slots.A)
	},
	"repair disarms": func(b *bench) {
		b.boot(slots.A)
		b.do(b.s.Arm(slots.B))
		b.do(b.s.Repair(slots.A))
		b.reboot(slots.A)
	},
	"commit disarms or is disarmed": func(b *bench) {
		b.boot(slots.A)
		b.do(b.s.Arm(slots.B))
		b.do(b.s.Commit(slots.B))
		b.reboot(slots.B)
		b.reboot(slots.B)
	},
	"a slot can be armed again": func(b *bench) {
		for range 3 {
			b.boot(slots.A)
			b.do(b.s.Arm(slots.B))
			b.do(b.s.Arm(slots.B))
			b.reboot(slots.B)
		}
		b.boot(slots.A)
	},
	"what is right is not written": func(b *bench) {
		b.boot(slots.A)
		b.do(b.s.Commit(slots.B))
		b.boot(slots.B)
		b.do(b.s.Repair(slots.B))
		log := b.m.Record()
		b.do(b.s.Repair(slots.B))
		b.do(b.s.Commit(slots.B))
		if i := slices.IndexFunc(log.Ops, func(op powercut.Op) bool { return op.Kind != powercut.Flush }); i >= 0 {
			b.t.Errorf("%+v is done again", log.Ops[i])
		}
	},
	"a slot that went bad is passed over": func(b *bench) {
		if b.m.Chain.Name == "tryboot" {
			b.t.Skip("the firmware of a Raspberry Pi starts nothing else")
		}
		b.boot(slots.A)
		b.do(b.s.Repair(slots.A))
		clear(b.m.Holds(slots.A)[:512])
		b.boot(slots.B)
		b.do(b.s.Commit(slots.B))
		b.boot(slots.B)
	},
	"a disk that does not keep what is written": func(b *bench) {
		b.boot(slots.A)
		b.do(b.s.Repair(slots.A))
		b.m.Break()
		if err := errors.Join(b.s.Commit(slots.B)); err == nil {
			b.t.Error("Commit has no error")
		}
		if err := b.s.Arm(slots.B); err == nil && slots.RebootArgument(b.s) == "" {
			b.t.Error("Arm has no error")
		}
		b.boot(slots.A)
	},
}

func TestConformance(t *testing.T) {
	for _, c := range powercut.Chains() {
		for name, test := range conformance {
			t.Run(c.Name+"/"+name, func(t *testing.T) { test(newBench(t, c)) })
		}
	}
}

// TestRepairLostPointers: whatever became of a loader's state, the machine
// starts a slot, and Repair makes it the committed one's turn again.
func TestRepairLostPointers(t *testing.T) {
	for _, c := range powercut.Chains() {
		if c.Name == "tryboot" {
			continue // its state is a file; nothing starts without it
		}
		t.Run(c.Name, func(t *testing.T) {
			b := newBench(t, c)
			b.boot(slots.A)
			b.do(b.s.Commit(slots.B))
			b.boot(slots.B)
			b.m.Forget()
			b.boot(slots.A)
			b.do(b.s.Repair(slots.B))
			b.boot(slots.B)
		})
	}
}
