package dtls

import "sync/atomic"

// counter is an index into counterNames.
type counter int

const (
	datagrams counter = iota
	knockAnswers
	handshakes
	handshakesDone
	handshakesFailed
	issued
	readErrors
	dropUnknown
	dropForgeable
	dropQuota
	dropFull
	dropUnproved
	dropQueue
	dropGuest
	dropSend
	counterCount
)

// counterNames are the names that operators see; docs/operations.md says what
// each means.
var counterNames = [counterCount]string{
	datagrams:        "datagrams",
	knockAnswers:     "knock_answers",
	handshakes:       "handshakes",
	handshakesDone:   "handshakes_done",
	handshakesFailed: "handshakes_failed",
	issued:           "certificates",
	readErrors:       "read_errors",
	dropUnknown:      "drop_unknown",
	dropForgeable:    "drop_forgeable",
	dropQuota:        "drop_quota",
	dropFull:         "drop_full",
	dropUnproved:     "drop_unproved",
	dropQueue:        "drop_queue",
	dropGuest:        "drop_guest",
	dropSend:         "drop_send",
}

type counters [counterCount]atomic.Uint64

func (c *counters) add(n counter) { c[n].Add(1) }

// Counters returns every counter by name, and how many connections there are.
func (l *Listener) Counters() map[string]uint64 {
	m := make(map[string]uint64, counterCount+2)
	for i, name := range counterNames {
		m[name] = l.counters[i].Load()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	m["connections"], m["guests"] = uint64(len(l.all)), uint64(l.guests.Len())
	return m
}
