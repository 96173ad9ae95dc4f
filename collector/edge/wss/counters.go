package wss

import "sync/atomic"

// counter is an index into counterNames.
type counter int

const (
	connections counter = iota
	requests
	upgrades
	datagrams
	dropQuota
	dropFull
	dropRequest
	dropToken
	dropRevoked
	dropText
	dropSend
	counterCount
)

// counterNames are the names that operators see; docs/operations.md says what
// each means.
var counterNames = [counterCount]string{
	connections: "connections_made",
	requests:    "requests",
	upgrades:    "upgrades",
	datagrams:   "datagrams",
	dropQuota:   "drop_quota",
	dropFull:    "drop_full",
	dropRequest: "drop_request",
	dropToken:   "drop_token",
	dropRevoked: "drop_revoked",
	dropText:    "drop_text",
	dropSend:    "drop_send",
}

type counters [counterCount]atomic.Uint64

func (c *counters) add(n counter) { c[n].Add(1) }

// Counters returns every counter by name, and how many WebSockets there are, and
// are guests.
func (l *Listener) Counters() map[string]uint64 {
	m := make(map[string]uint64, counterCount+1)
	for i, name := range counterNames {
		m[name] = l.counters[i].Load()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	m["guests"] = uint64(l.guests.Len())
	for _, all := range l.conns {
		m["connections"] += uint64(len(all))
	}
	return m
}

// gauge counts what is open.
type gauge struct{ n atomic.Int64 }

// up counts one more, if there are less than most.
func (g *gauge) up(most int64) bool {
	if g.n.Add(1) > most {
		g.n.Add(-1)
		return false
	}
	return true
}

func (g *gauge) down() { g.n.Add(-1) }
