package edge

import "sync/atomic"

// counter is an index into counterNames.
type counter int

const (
	datagrams counter = iota
	batches
	stored
	duplicates
	welcomes
	cookies
	moved
	fetches
	readErrors
	writeErrors
	dropKernel
	dropNotOurs
	dropVersion
	dropOversize
	dropShort
	dropNoSession
	dropTag
	dropReplay
	dropForged
	dropBadData
	dropBadBatch
	dropNoRoom
	dropNotStored
	dropQuota
	dropFetchQueue
	dropHelloQueue
	dropHelloCookie
	dropHelloSealed
	dropHelloSigned
	dropHelloReplay
	dropHelloError
	counterCount
)

// counterNames are the names that operators see; docs/operations.md says what
// each means.
var counterNames = [counterCount]string{
	datagrams:       "datagrams",
	batches:         "batches",
	stored:          "batches_stored",
	duplicates:      "chunks_again",
	welcomes:        "welcomes",
	cookies:         "cookies",
	moved:           "moved",
	fetches:         "fetches",
	readErrors:      "read_errors",
	writeErrors:     "write_errors",
	dropKernel:      "drop_kernel",
	dropNotOurs:     "drop_not_ours",
	dropVersion:     "drop_version",
	dropOversize:    "drop_oversize",
	dropShort:       "drop_short",
	dropNoSession:   "drop_no_session",
	dropTag:         "drop_tag",
	dropReplay:      "drop_replay",
	dropForged:      "drop_forged",
	dropBadData:     "drop_bad_data",
	dropBadBatch:    "drop_bad_batch",
	dropNoRoom:      "drop_no_room",
	dropNotStored:   "drop_not_stored",
	dropQuota:       "drop_quota",
	dropFetchQueue:  "drop_fetch_queue",
	dropHelloQueue:  "drop_hello_queue",
	dropHelloCookie: "drop_hello_cookie",
	dropHelloSealed: "drop_hello_sealed",
	dropHelloSigned: "drop_hello_signed",
	dropHelloReplay: "drop_hello_replay",
	dropHelloError:  "drop_hello_error",
}

type counters [counterCount]atomic.Uint64

func (c *counters) add(n counter) { c[n].Add(1) }

// Counters returns every counter by name.
func (e *Edge) Counters() map[string]uint64 {
	m := make(map[string]uint64, counterCount)
	for i, name := range counterNames {
		m[name] = e.counters[i].Load()
	}
	return m
}
