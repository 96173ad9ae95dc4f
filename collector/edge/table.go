package edge

import "sync"

// tableShards keeps carriers that read at the same time off each other's
// locks. Session numbers are random, so their lowest bits choose.
const tableShards = 64

// table finds a session by its number, for everything that arrives. It is
// changed only with Edge.mu held.
type table []shard

type shard struct {
	mu    sync.RWMutex
	links map[uint32]*link
	_     [64]byte // no two locks in one cache line
}

func newTable() table {
	t := make(table, tableShards)
	for i := range t {
		t[i].links = map[uint32]*link{}
	}
	return t
}

func (t table) get(id uint32) *link {
	s := &t[id%tableShards]
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.links[id]
}

func (t table) put(l *link) {
	s := &t[l.id%tableShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.links[l.id] = l
}

func (t table) remove(id uint32) {
	s := &t[id%tableShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.links, id)
}
