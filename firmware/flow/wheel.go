package flow

// wheelSize is how many seconds the timing wheel looks ahead. A flow whose
// deadline is farther away is looked at again when the wheel comes round.
const wheelSize = 512

// The wheel has a bucket per second: a ring of records through next and prev,
// by index + 1, 0 for an empty bucket. A packet does not move its flow; when a
// bucket's second comes, flows that are not due yet go where they belong then.

// deadline returns the second at which r is due, and why.
func (t *Table) deadline(r *Record) (uint32, Reason) {
	idle, why := t.idle, Idle
	switch {
	case r.closed != 0:
		idle, why = t.linger, Reason(r.closed)
	case r.Key.Proto() == protoTCP && r.answered():
		idle = t.idleTCP
	}
	if due := r.touched + idle; due <= r.began+t.active {
		return due, why
	}
	return r.began + t.active, Active
}

// schedule puts record i into the bucket of its deadline, at the back.
func (t *Table) schedule(i uint32) {
	r := &t.records[i]
	due, _ := t.deadline(r)
	due = min(max(due, t.clock+1), t.clock+wheelSize-1)
	r.bucket = uint16(due % wheelSize)
	head := &t.wheel[r.bucket]
	if *head == 0 {
		*head, r.next, r.prev = i+1, i+1, i+1
		return
	}
	first := &t.records[*head-1]
	r.next, r.prev = *head, first.prev
	t.records[first.prev-1].next = i + 1
	first.prev = i + 1
}

// unschedule takes record i out of its bucket.
func (t *Table) unschedule(i uint32) {
	r := &t.records[i]
	head := &t.wheel[r.bucket]
	if r.next == i+1 {
		*head = 0
		return
	}
	t.records[r.prev-1].next, t.records[r.next-1].prev = r.next, r.prev
	if *head == i+1 {
		*head = r.next
	}
}

// Advance lets time pass until tick and ends the flows that are due.
func (t *Table) Advance(tick uint32) {
	if tick > t.clock {
		t.advance(tick)
	}
}

func (t *Table) advance(tick uint32) {
	// Each bucket comes once at most, however many seconds passed.
	turns := min(tick-t.clock, wheelSize)
	t.clock = tick
	for back := turns; back > 0; back-- {
		t.fire((tick - back + 1) % wheelSize)
	}
}

// fire ends the flows of a bucket that are due and puts the others where they
// belong.
func (t *Table) fire(bucket uint32) {
	head := t.wheel[bucket]
	t.wheel[bucket] = 0
	if head == 0 {
		return
	}
	last := t.records[head-1].prev
	for at := head; ; {
		i := at - 1
		r := &t.records[i]
		at = r.next
		switch due, why := t.deadline(r); {
		case due > t.clock:
			t.schedule(i)
		case why == Active:
			t.report(i, Active)
			r.restart(t.clock)
			t.schedule(i)
		default:
			t.report(i, why)
			t.free(i)
		}
		if i+1 == last {
			return
		}
	}
}

// evict ends the flow that is due first. Buckets do not know of packets that
// came since, so it first moves flows to where they belong now: each packet
// pays for one move at most, and tries bounds how many come at once.
func (t *Table) evict() {
	const tries = 128
	for ahead, tried := uint32(1), 0; ; {
		head := t.wheel[(t.clock+ahead)%wheelSize]
		if head == 0 {
			ahead++
			continue
		}
		i := head - 1
		t.unschedule(i)
		if due, _ := t.deadline(&t.records[i]); due > t.clock+ahead && tried < tries {
			tried++
			t.schedule(i)
			continue
		}
		t.report(i, t.records[i].ended(Evicted))
		t.free(i)
		return
	}
}
