// Package journal keeps acknowledged batches on the collector's disk until
// every consumer has read them.
//
// A journal is a directory of numbered segments, appended in order, synced by
// group and removed whole; docs/format/journal.md has the bytes. An entry whose
// done was called with nil survives power loss; a torn tail is cut at Open. It
// also remembers which batches it ever stored, so that none is stored twice:
// every segment begins with a checkpoint of that memory. Where several
// collectors share a ledger, an entry is also claimed before done is called,
// and readers leave out what another collector had claimed before.
//
// Nobody waits for the disk but the committer, the goroutine that Open starts
// and Close waits for: what there is no room for is refused at once. A Journal
// has any number of readers. Only one process can have it open.
package journal

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
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

	// maxPending bounds what waits for the disk; Append refuses beyond it. It
	// is about what a disk of 300 MB/s takes in the time of one slow fsync.
	maxPending = 8 << 20

	// pauseAfterFailure is how long a failed disk is left alone before the
	// next segment is tried.
	pauseAfterFailure = time.Second

	// slow is how long a commit may take before it is called a problem.
	slow = time.Second

	// claimGrace is how long Close waits for the last claim. What it lacks is
	// claimed at the next Open.
	claimGrace = 3 * time.Second

	// openTimeout bounds the claims of Open.
	openTimeout = 10 * time.Second
)

// What an append may get instead of nil. None of them says anything about the
// entry: it is to be appended again later.
var (
	ErrClosed = errors.New("journal is closed")
	ErrBusy   = errors.New("journal waits for the disk")
	ErrFull   = errors.New("journal is full")
)

// An ID names a batch.
type ID struct {
	Sensor [32]byte // Ed25519 identity
	Boot   [16]byte
	Batch  uint64
}

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
	SegmentSize int64 // bytes of records after which a new segment begins; default 64 MiB
	MaxBytes    int64 // of all segments; default no bound but the disk
	MinFree     int64 // bytes that stay free on the disk; default 1 GiB, or 5 % of a disk below 20 GiB; -1 for none

	// Claim settles which of the collectors that share a ledger has each of
	// ids, which have become durable here. It returns the indices of those
	// that another one has, in order. Until it knows it blocks; it fails only
	// when ctx ends. Nil where there is no other collector.
	Claim func(ctx context.Context, ids []ID) (elsewhere []int, err error)

	Disk Disk // default: the operating system's
}

// Stats counts since Open.
type Stats struct {
	Entries    uint64 // stored
	Bytes      uint64 // of their bodies
	Duplicates uint64 // appended again and not stored again
	Elsewhere  uint64 // stored, and left out because another collector has them
	Failed     uint64 // not stored, because the disk failed or is full
	Refused    uint64 // not taken, because too much waits for the disk
	Groups     uint64 // syncs that succeeded
	Segments   int    // on disk now
	Size       int64  // of the segments on disk now, bytes
	Failing    string // why nothing can be stored at the moment, or empty
}

// A Journal is an open journal.
type Journal struct {
	dir       string
	opts      Options
	disk      Disk
	lock      io.Closer
	done      chan struct{}   // closed when the committer has ended
	claims    context.Context // ended when Close has waited enough
	stopClaim context.CancelFunc
	removing  sync.Mutex // held while segments are removed; taken before mu

	// Owned by the committer.
	active *segmentFile // being appended to, or nil
	next   uint64       // number of the next segment
	prior  int64        // how much of the segment before that is durable

	mu      sync.Mutex
	work    sync.Cond // pending has items, or closed
	room    sync.Cond // pending has room, or closed
	pending group
	closed  bool
	stored  memory
	lost    bool          // stored has batches that are elsewhere
	segs    []segment     // by number
	size    int64         // of the files of segs, bytes
	end     Pos           // after the newest durable entry
	changed chan struct{} // closed and replaced when segs or the end change
	holds   map[string]Pos
	stats   Stats
	since   time.Time // when the commit under way began; zero without one
	paused  time.Time // nothing is taken before
	cause   error     // why
}

// segment is a segment as readers see it.
type segment struct {
	number uint64
	end    int64 // of what is durable, if known, else of the file
	known  bool
}

// Open opens the journal in dir, makes it if need be, and repairs what a crash
// left behind. What the repair found is in Recovery.
func Open(dir string, opts Options) (*Journal, Recovery, error) {
	if opts.SegmentSize == 0 {
		opts.SegmentSize = defaultSegmentSize
	}
	if opts.Disk == nil {
		opts.Disk = osDisk{}
	}
	j := &Journal{
		dir: dir, opts: opts, disk: opts.Disk, done: make(chan struct{}),
		changed: make(chan struct{}), holds: make(map[string]Pos),
	}
	j.work.L, j.room.L = &j.mu, &j.mu
	j.claims, j.stopClaim = context.WithCancel(context.Background())
	rec, err := j.open()
	if err != nil {
		if j.lock != nil {
			j.lock.Close()
		}
		j.stopClaim()
		return nil, rec, fmt.Errorf("opening journal: %w", err)
	}
	go j.commitLoop()
	return j, rec, nil
}

// Append queues e and returns; it never waits for the disk. done is called
// once e is durable, and claimed, with nil, or is not going to be, with the
// reason: from the committer's goroutine, or from Append itself for an entry
// that is stored already (nil: it is not stored again) or cannot be taken.
// e.Body is copied.
func (j *Journal) Append(e Entry, done func(error)) {
	if len(e.Body) > MaxBody {
		done(fmt.Errorf("journal: body of %d bytes is longer than %d", len(e.Body), MaxBody))
		return
	}
	if e.Batch == math.MaxUint64 { // sets of numbers end before it
		done(errors.New("journal: batch has no valid number"))
		return
	}
	head := recordHead(&e)
	j.mu.Lock()
	err := j.refusalLocked()
	again := !j.closed && j.stored.contains(bootKey{e.Sensor, e.Boot}, e.Batch)
	switch {
	case again:
		err = nil
		j.stats.Duplicates++
	case err != nil:
		j.stats.Refused++
	default:
		j.pending.add(head[:], &e, done)
		j.work.Signal()
	}
	j.mu.Unlock()
	if again || err != nil {
		done(err)
	}
}

// refusalLocked returns why nothing is taken at the moment, or nil.
func (j *Journal) refusalLocked() error {
	switch {
	case j.closed:
		return ErrClosed
	case time.Now().Before(j.paused):
		return j.cause
	case len(j.pending.buf) >= maxPending:
		return ErrBusy
	}
	return nil
}

// WaitRoom returns when there is room for an entry, or the journal is closed:
// for a caller to whom nobody sends again.
func (j *Journal) WaitRoom() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for len(j.pending.buf) >= maxPending && !j.closed {
		j.room.Wait()
	}
}

// Pressure returns how near the journal is to taking nothing: from 0, while
// the disk keeps up, to 1. Who takes batches from sensors lets them send as
// much less.
func (j *Journal) Pressure() float64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.refusalLocked() != nil {
		return 1
	}
	p := float64(len(j.pending.buf)) / maxPending
	if most := float64(j.opts.MaxBytes); most > 0 { // the last eighth of the room counts
		p = max(p, (float64(j.size)-most*7/8)/(most/8))
	}
	return min(p, 1)
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

// Behind returns how many bytes of the journal are durable and behind pos.
func (j *Journal) Behind(pos Pos) (n int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range j.segs {
		switch {
		case s.number > pos.Segment:
			n += s.end
		case s.number == pos.Segment:
			n += max(0, s.end-pos.Offset)
		}
	}
	return n
}

// Stats returns the counters.
func (j *Journal) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.stats
	s.Segments, s.Size = len(j.segs), j.size
	switch took := time.Since(j.since); {
	case j.cause != nil:
		s.Failing = j.cause.Error()
	case !j.since.IsZero() && took > slow:
		s.Failing = fmt.Sprintf("a commit takes %v so far", took.Round(time.Second))
	}
	return s
}

// Hold says that the consumer name has what it needs of everything before pos.
// Segments that lie before every hold are removed; the newest always stays. A
// journal without any hold keeps everything, so consumers hold before they
// read.
func (j *Journal) Hold(name string, pos Pos) error {
	j.removing.Lock()
	defer j.removing.Unlock()
	for {
		number, ok := j.superfluous(name, pos)
		if !ok {
			return nil
		}
		if err := j.disk.Remove(j.path(number)); err != nil {
			return fmt.Errorf("removing journal segment: %w", err)
		}
		j.mu.Lock()
		j.size -= j.segs[0].end
		j.segs = j.segs[1:]
		j.mu.Unlock()
	}
}

// superfluous enters a hold, and returns the oldest segment if nobody needs it.
func (j *Journal) superfluous(name string, pos Pos) (number uint64, ok bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.holds[name] = pos
	least := pos.Segment
	for _, p := range j.holds {
		least = min(least, p.Segment)
	}
	if len(j.segs) < 2 || j.segs[0].number >= least {
		return 0, false
	}
	return j.segs[0].number, true
}

// Close stores what is pending, ends the committer and closes the journal.
func (j *Journal) Close() error {
	j.mu.Lock()
	j.closed = true
	j.work.Broadcast()
	j.room.Broadcast()
	j.mu.Unlock()
	grace := time.AfterFunc(claimGrace, j.stopClaim)
	<-j.done
	grace.Stop()
	j.stopClaim()
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
