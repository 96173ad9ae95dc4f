package app

import (
	"time"

	"github.com/taproot-sensor/taproot/wire/record"
)

// Bounds of Transactions: how many queries wait for a response, and for how
// long. Resolvers ask again after 5 seconds at most, and give up after 10.
const (
	maxPending  = 4096
	queryExpiry = 10 * time.Second
)

// Transactions joins DNS queries with their responses. A query that gets none
// in time, or for which there is no room any more, is reported alone; so is a
// response without a query. A query that is repeated counts as asked once.
type Transactions struct {
	report  func(*record.DNS)
	index   map[query]uint64 // of the queries that wait: position ever
	pending []record.DNS     // ring; a position p is at p % maxPending
	first   uint64           // position of the oldest
	end     uint64           // position after the newest
}

// query identifies what is asked, so that the same id on the same flow with
// another question is another transaction.
type query struct {
	flow  uint64
	id    uint16
	qtype string
	name  string
}

// NewTransactions returns an empty Transactions that calls report for every
// transaction. The record is valid during the call.
func NewTransactions(report func(*record.DNS)) *Transactions {
	return &Transactions{report: report, index: make(map[query]uint64)}
}

// Add takes one message. Its Flow tells apart what the DNS id does not.
func (t *Transactions) Add(rec *record.DNS) {
	key := query{rec.Flow, rec.ID, rec.QType, rec.Name}
	at, waiting := t.index[key]
	switch {
	case !rec.Response && waiting:
	case !rec.Response:
		t.push(key, rec)
	case waiting:
		delete(t.index, key)
		asked := &t.pending[at%maxPending]
		rec.RTT = max(time.Duration(rec.Time-asked.Time), 0)
		rec.Time = asked.Time
		rec.EDNS, rec.UDPSize, rec.DO, rec.Subnet = asked.EDNS, asked.UDPSize, asked.DO, asked.Subnet
		t.report(rec)
	default:
		t.report(rec)
	}
}

func (t *Transactions) push(key query, rec *record.DNS) {
	if t.end-t.first == maxPending {
		t.pop()
	}
	if at := int(t.end % maxPending); at == len(t.pending) {
		t.pending = append(t.pending, *rec)
	} else {
		t.pending[at] = *rec
	}
	t.index[key] = t.end
	t.end++
}

// pop removes the oldest query, and reports it unless it was answered.
func (t *Transactions) pop() {
	rec := &t.pending[t.first%maxPending]
	key := query{rec.Flow, rec.ID, rec.QType, rec.Name}
	if at, ok := t.index[key]; ok && at == t.first {
		delete(t.index, key)
		t.report(rec)
	}
	*rec = record.DNS{}
	t.first++
}

// Advance reports the queries that have waited too long at now, in Unix ns.
func (t *Transactions) Advance(now int64) {
	for t.first < t.end && now-int64(t.pending[t.first%maxPending].Time) > int64(queryExpiry) {
		t.pop()
	}
}

// Flush reports every query that waits.
func (t *Transactions) Flush() {
	for t.first < t.end {
		t.pop()
	}
}
