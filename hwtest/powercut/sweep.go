package powercut

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
)

// A State is a machine as a power cut has left it.
type State struct {
	Op   int // the last that was begun
	Rule string
	Bulk bool // a state within the write of a whole slot

	// Lenient is set where more than the power was lost: then a release that
	// hangs may be started, because nothing was left that says not to.
	Lenient bool

	durable *Machine // of the sequence: it moves on
	writes  []Op
	mishap  func(*Machine)
}

// Load makes m a machine in that state. It holds until the next state is asked
// for.
func (s State) Load(m *Machine) {
	m.Load(s.durable)
	for _, w := range s.writes {
		m.Apply(w)
	}
	if s.mishap != nil {
		s.mishap(m)
	}
}

func (s State) String() string { return fmt.Sprintf("after operation %d, %s", s.Op, s.Rule) }

// bulkWrite is more than any write of state has: it is a part of a system.
const bulkWrite = 8 << 10

// maxSubsets is how many orders of unflushed writes are tried by chance, beside
// those that are tried by rule.
const maxSubsets = 8

// States yields every state that a power cut can leave of ops, done from begin
// on.
func States(begin *Machine, ops []Op) iter.Seq[State] {
	return func(yield func(State) bool) {
		s := &states{yield: yield, durable: begin.Clone(), random: rand.New(rand.NewPCG(1, uint64(len(ops))))}
		for i, op := range ops {
			s.op = i
			if !s.after(op) {
				return
			}
		}
	}
}

type states struct {
	yield   func(State) bool
	durable *Machine // all that cannot be lost any more
	pending []Op     // writes since the last flush
	op      int
	random  *rand.Rand
}

// after yields the states that a cut during or after op can leave.
func (s *states) after(op Op) bool {
	switch op.Kind {
	case Flush:
		for _, w := range s.pending {
			s.durable.Apply(w)
		}
		s.pending = nil
		return true
	case Set, Delete:
		s.durable.Apply(op)
		return s.give("the variable is written", nil, nil) &&
			s.give("the variable is lost", nil, func(m *Machine) { delete(m.Vars.kept, op.Name) }) &&
			s.amnesia()
	}
	s.pending = append(s.pending, op)
	before := s.pending[:len(s.pending)-1]
	if len(before) == 0 && !s.give("unflushed writes are dropped", nil, nil) {
		return false
	}
	return s.give("unflushed writes are kept", s.pending, nil) && s.torn(before, op) && s.reordered(before, op) && s.amnesia()
}

// give yields one state: what is durable, then some writes, then a mishap.
func (s *states) give(rule string, writes []Op, mishap func(*Machine)) bool {
	return s.yield(State{Op: s.op, Rule: rule, Bulk: bulk(writes), durable: s.durable, writes: writes, mishap: mishap})
}

// bulk reports whether any of the writes is a part of a system.
func bulk(writes []Op) bool {
	return slices.ContainsFunc(writes, func(w Op) bool { return len(w.Data) > bulkWrite })
}

// torn cuts the last write at each sector: its begin has reached the disk, or
// its end has.
func (s *states) torn(before []Op, op Op) bool {
	for at := sector; at < len(op.Data); at += sector {
		head, tail := op, op
		head.Data = op.Data[:at]
		tail.Data, tail.At = op.Data[at:], op.At+int64(at)
		if !s.give(fmt.Sprintf("torn, the first %d bytes are written", at), append(slices.Clip(before), head), nil) ||
			!s.give(fmt.Sprintf("torn, the first %d bytes are not written", at), append(slices.Clip(before), tail), nil) {
			return false
		}
	}
	return true
}

// reordered lets some of the unflushed writes reach the disk and others not.
func (s *states) reordered(before []Op, op Op) bool {
	if len(before) == 0 {
		return true
	}
	if !s.give("reordered, the last write alone", []Op{op}, nil) {
		return false
	}
	for i := range before {
		but := append(append([]Op{}, before[:i]...), before[i+1:]...)
		if !s.give(fmt.Sprintf("reordered, all but write %d", i), append(but, op), nil) {
			return false
		}
	}
	for range min(maxSubsets, 1<<len(before)) {
		var some []Op
		for _, w := range s.pending {
			if s.random.IntN(2) == 0 {
				some = append(some, w)
			}
		}
		s.random.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })
		if !s.give(fmt.Sprintf("reordered, %d of %d writes", len(some), len(s.pending)), some, nil) {
			return false
		}
	}
	return true
}

// amnesia is a firmware that has lost all of its variables with the power.
func (s *states) amnesia() bool {
	if len(s.durable.Vars.kept) == 0 {
		return true
	}
	return s.yield(State{Op: s.op, Rule: "all firmware variables are lost", Bulk: bulk(s.pending), Lenient: true, durable: s.durable, writes: s.pending,
		mishap: func(m *Machine) { clear(m.Vars.kept) }})
}

// A Result counts the states of a sweep, by rule.
type Result struct {
	States int
	Second int // of them, those of a second cut, during what follows the first
	Rules  map[string]int
}

// Sweep tries one of every nth state of a recording, and calls brick for each
// that does not survive. Where a state is not within the write of a system, the
// power is cut again at every point of the boot that follows.
func (rec *Recording) Sweep(every int, brick func(State, error)) Result {
	result := Result{Rules: map[string]int{}}
	n := 0
	first, m := rec.Begin.Clone(), rec.Begin.Clone()
	try := func(s State) bool {
		if n++; n%every != 0 {
			return false
		}
		s.Load(m)
		result.States++
		result.Rules[rule(s.Rule)]++
		if err := rec.Survives(m, !s.Lenient); err != nil {
			brick(s, err)
		}
		return true
	}
	for s := range States(rec.Begin, rec.Ops) {
		try(s)
		if s.Bulk || s.Lenient {
			continue
		}
		s.Load(first)
		s.Load(m)
		log := m.Record()
		_, _, _, err := rec.Releases.start(m, true)
		m.Disk.log, m.Vars.log = nil, nil
		if err != nil {
			continue // said already
		}
		for second := range States(first, log.Ops) {
			second.Rule = s.Rule + "; then, " + second.String()
			second.Op = s.Op
			if try(second) {
				result.Second++
			}
		}
	}
	return result
}

// rule is the kind of a rule: what it says before its details.
func rule(s string) string {
	for i := range s {
		if s[i] == ',' || s[i] == ';' {
			return s[:i]
		}
	}
	return s
}
