// Package journal keeps acknowledged batches on the collector's disk until
// every consumer has read them.
//
// A journal is a directory of numbered segments, appended in order, synced by
// group and removed whole; docs/format/journal.md has the bytes. An entry whose
// done was called with nil survives power loss; a torn tail is cut at Open. It
// also remembers which batches it ever stored, so that none is stored twice:
// every segment begins with a checkpoint of that memory.
//
// A Journal has one writer, the goroutine that Open starts and Close waits for,
// and any number of readers. Only one process can have it open.
package journal

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/taproot-sensor/taproot/internal/ranges"
)

const (
	// MaxBody bounds the body of an entry: four times batch.MaxSize, so that
	// the wire can grow without a new journal format.
	MaxBody = 1 << 20

	// defaultSegmentSize keeps the scan at Open, one segment, under 0.1 s.
	defaultSegmentSize = 64 << 20

	// maxPending bounds what waits for the disk; Append blocks beyond it. It
	// is about what a disk of 300 MB/s takes in the time of one slow fsync.
	maxPending = 8 << 20

	// pauseAfterFailure is how long a failed disk is left alone before the
	// next segment is tried.
	pauseAfterFailure = time.Second
)

// ErrClosed is what an append gets after Close.
var ErrClosed = errors.New("journal is closed")

// An Entry is one batch as it was received.
type Entry struct {
	Sensor   [32]byte // Ed25519 identity
	Boot     [16]byte
	Batch    uint64
	Received int64 // Unix ns
	Body     []byte
}

// SensorName returns the first 16 digits of the sensor's id: how records name
// where they came from.
func (e *Entry) SensorName() string { return hex.EncodeToString(e.Sensor[:8]) }

// A Pos is a place between two entries. The zero Pos is before the first.
type Pos struct {
	Segment uint64 `json:"segment"`
	Offset  int64  `json:"offset"`
}

// Before reports whether p comes before q.
func (p Pos) Before(q Pos) bool {
	return p.Segment < q.Segment || p.Segment == q.Segment && p.Offset < q.Offset
}

// Options has a journal's bounds; zero means the default.
type Options struct {
	SegmentSize int64 // bytes after which a new segment begins; default 64 MiB
}

// Stats counts since Open.
type Stats struct {
	Entries    uint64 // stored
	Bytes      uint64 // of their bodies
	Duplicates uint64 // appended again and not stored again
	Failed     uint64 // not stored, because the disk failed
	Groups     uint64 // syncs that succeeded
	Segments   int    // on disk now
	Failing    string // why nothing can be stored at the moment, or empty
}

// A Journal is an open journal.
type Journal struct {
	dir         string
	segmentSize int64
	lock        *os.File
	done        chan struct{} // closed when the committer has ended

	// Owned by the committer.
	active *segmentFile // being appended to, or nil
	next   uint64       // number of the next segment

	mu      sync.Mutex
	work    sync.Cond // pending has items, or closed
	room    sync.Cond // pending has room, or closed
	pending group
	closed  bool
	stored  memory
	segs    []segment     // by number
	end     Pos           // after the newest durable entry
	growing bool          // the last of segs is active
	changed chan struct{} // closed and replaced when segs or the end change
	holds   map[string]Pos
	stats   Stats
	paused  time.Time // no segment is tried before
	cause   error     // why
}

// segment is a segment as readers see it: only what is durable.
type segment struct {
	number uint64
	end    int64
}

// Open opens the journal in dir, makes it if need be, and repairs what a crash
// left behind. What the repair found is in Recovery.
func Open(dir string, opts Options) (*Journal, Recovery, error) {
	j := &Journal{
		dir: dir, segmentSize: opts.SegmentSize, done: make(chan struct{}),
		changed: make(chan struct{}), holds: make(map[string]Pos),
	}
	j.work.L, j.room.L = &j.mu, &j.mu
	if j.segmentSize == 0 {
		j.segmentSize = defaultSegmentSize
	}
	rec, err := j.open()
	if err != nil {
		if j.lock != nil {
			j.lock.Close()
		}
		return nil, rec, fmt.Errorf("opening journal: %w", err)
	}
	go j.commitLoop()
	return j, rec, nil
}

// Append queues e and returns; it blocks only while too much is in flight.
// done is called from the committer's goroutine once e is durable, with nil, or
// is known not to be, with the reason. An entry that is stored already is not
// stored again, and its done gets nil. e.Body is copied.
func (j *Journal) Append(e Entry, done func(error)) {
	if len(e.Body) > MaxBody {
		done(fmt.Errorf("journal: body of %d bytes is longer than %d", len(e.Body), MaxBody))
		return
	}
	head := recordHead(&e)
	j.mu.Lock()
	for len(j.pending.buf) >= maxPending && !j.closed {
		j.room.Wait()
	}
	if j.closed {
		j.mu.Unlock()
		done(ErrClosed)
		return
	}
	j.pending.add(head[:], &e, done)
	j.work.Signal()
	j.mu.Unlock()
}

// Stored returns the numbers of the durable batches of one boot of a sensor.
func (j *Journal) Stored(sensor [32]byte, boot [16]byte) ranges.Set {
	j.mu.Lock()
	defer j.mu.Unlock()
	if b := j.stored[bootKey{sensor, boot}]; b != nil {
		return b.set.Clone()
	}
	return ranges.Set{}
}

// End returns the position after the newest durable entry.
func (j *Journal) End() Pos {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.end
}

// Stats returns the counters.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.stats
	s.Segments = len(j.segs)
	if j.cause != nil {
		s.Failing = j.cause.Error()
	}
	return s
}

// Hold says that the consumer name has what it needs of everything before pos.
// Segments that lie before every hold are removed; the newest always stays. A
// journal without any hold keeps everything, so consumers hold before they
// read.
func (j *Journal) Hold(name string, pos Pos) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.holds[name] = pos
	least := pos.Segment
	for _, p := range j.holds {
		least = min(least, p.Segment)
	}
	for len(j.segs) > 1 && j.segs[0].number < least {
		if err := os.Remove(j.path(j.segs[0].number)); err != nil {
			return fmt.Errorf("removing journal segment: %w", err)
		}
		j.segs = j.segs[1:]
	}
	return nil
}

// Close stores what is pending, ends the committer and closes the journal.
// Appends that wait for room get ErrClosed.
func (j *Journal) Close() error {
	j.mu.Lock()
	j.closed = true
	j.work.Broadcast()
	j.room.Broadcast()
	j.mu.Unlock()
	<-j.done
	var err error
	if j.active != nil {
		err = j.active.f.Close()
		j.active = nil
	}
	return errors.Join(err, j.lock.Close())
}

func (j *Journal) path(number uint64) string {
	return filepath.Join(j.dir, fmt.Sprintf("%08x.seg", number))
}
