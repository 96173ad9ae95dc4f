package journal

import (
	"fmt"
	"os"
	"time"

	"github.com/taproot-sensor/taproot/internal/durable"
)

// group is what one write and one sync make durable together.
type group struct {
	buf   []byte
	items []item
}

type item struct {
	boot       bootKey
	batch      uint64
	received   int64
	start, end int // in buf
	stored     bool
	done       func(error)
}

func (g *group) add(head []byte, e *Entry, done func(error)) {
	start := len(g.buf)
	g.buf = append(append(g.buf, head...), e.Body...)
	g.items = append(g.items, item{
		boot: bootKey{e.Sensor, e.Boot}, batch: e.Batch, received: e.Received,
		start: start, end: len(g.buf), done: done,
	})
}

// reset empties the group and keeps its memory.
func (g *group) reset() {
	clear(g.items)
	g.buf, g.items = g.buf[:0], g.items[:0]
}

// dropDuplicates takes out of buf what is stored already or twice in the
// group, and marks what is stored. Records move forward, never over a record
// that is still to be looked at.
func (g *group) dropDuplicates(stored memory) (kept int) {
	type id struct {
		boot  bootKey
		batch uint64
	}
	seen := make(map[id]struct{}, len(g.items))
	out := g.buf[:0]
	for i := range g.items {
		it := &g.items[i]
		it.stored = stored.contains(it.boot, it.batch)
		if it.stored {
			continue
		}
		if _, twice := seen[id{it.boot, it.batch}]; twice {
			continue
		}
		seen[id{it.boot, it.batch}] = struct{}{}
		out = append(out, g.buf[it.start:it.end]...)
	}
	g.buf = out
	return len(seen)
}

// segmentFile is the segment being appended to.
type segmentFile struct {
	f      *os.File
	number uint64
	size   int64 // of what is durable
	broken bool  // a write or sync failed: nothing but cutting it is allowed
}

// commitLoop makes group after group durable. While one is being synced, the
// next gathers: the slower the disk, the larger the groups.
func (j *Journal) commitLoop() {
	defer close(j.done)
	var g group
	for {
		j.mu.Lock()
		for len(j.pending.items) == 0 && !j.closed {
			j.work.Wait()
		}
		if len(j.pending.items) == 0 {
			j.mu.Unlock()
			return
		}
		g, j.pending = j.pending, g
		j.room.Broadcast()
		kept := g.dropDuplicates(j.stored) // only this goroutine changes stored
		j.mu.Unlock()

		err := j.write(g.buf)
		j.settle(&g, kept, err)
		for i := range g.items {
			if g.items[i].stored {
				g.items[i].done(nil)
			} else {
				g.items[i].done(err)
			}
		}
		g.reset()
	}
}

// settle enters the outcome of a group.
func (j *Journal) settle(g *group, kept int, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stats.Duplicates += uint64(len(g.items) - kept)
	if err != nil {
		j.stats.Failed += uint64(kept)
		return
	}
	if kept == 0 {
		return
	}
	for i := range g.items {
		if it := &g.items[i]; !it.stored {
			j.stored.add(it.boot, it.batch, it.received)
		}
	}
	j.stats.Entries += uint64(kept)
	j.stats.Bytes += uint64(len(g.buf) - kept*(headSize+metaSize))
	j.stats.Groups++
	j.segs[len(j.segs)-1].end = j.active.size
	j.end = Pos{j.active.number, j.active.size}
	j.notifyLocked()
}

func (j *Journal) notifyLocked() {
	close(j.changed)
	j.changed = make(chan struct{})
}

// write makes buf durable at the end of the active segment. An error is final
// for the segment: after a failed sync the kernel may have dropped the pages
// and call the next sync a success, so what is not known to be durable is cut
// off and a new segment is tried after a pause.
func (j *Journal) write(buf []byte) error {
	if len(buf) == 0 {
		return nil
	}
	if time.Now().Before(j.paused) {
		return j.cause
	}
	err := j.ready(int64(len(buf)))
	if err == nil {
		if err = j.writeSynced(buf); err != nil {
			j.active.broken = true
			err = fmt.Errorf("appending to journal segment %08x: %w", j.active.number, err)
			j.cut() // as soon as possible: it gives back the space; retried in ready
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.cause = err
	if err != nil {
		j.paused = time.Now().Add(pauseAfterFailure)
	}
	return err
}

func (j *Journal) writeSynced(buf []byte) error {
	if _, err := j.active.f.Write(buf); err != nil {
		return err
	}
	if err := datasync(j.active.f); err != nil {
		return err
	}
	j.active.size += int64(len(buf))
	return nil
}

// ready sees to it that there is an active segment with room for n bytes.
func (j *Journal) ready(n int64) error {
	if a := j.active; a != nil && a.broken {
		if err := j.cut(); err != nil {
			return fmt.Errorf("cutting journal segment %08x: %w", a.number, err)
		}
	}
	if a := j.active; a != nil && a.size+n > j.segmentSize {
		j.seal()
	}
	if j.active == nil {
		if err := j.create(); err != nil {
			return fmt.Errorf("creating journal segment: %w", err)
		}
	}
	return nil
}

// cut takes off the broken active segment what is not durable, and seals it.
func (j *Journal) cut() error {
	if err := j.active.f.Truncate(j.active.size); err != nil {
		return err
	}
	if err := j.active.f.Sync(); err != nil {
		return err
	}
	j.seal()
	return nil
}

// seal ends the active segment. All of it is durable, so an error of close
// means nothing.
func (j *Journal) seal() {
	j.active.f.Close()
	j.active = nil
	j.mu.Lock()
	j.growing = false
	j.notifyLocked()
	j.mu.Unlock()
}

// create makes the next segment, with a checkpoint of what is stored.
func (j *Journal) create() error {
	number := j.next
	j.mu.Lock()
	j.stored.forget()
	header := appendHeader(nil, number, time.Now().UnixNano(), j.stored)
	j.mu.Unlock()
	path := j.path(number)
	if err := durable.WriteFile(path, header, 0o600); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	j.next++
	j.active = &segmentFile{f: f, number: number, size: int64(len(header))}
	j.mu.Lock()
	j.segs = append(j.segs, segment{number, int64(len(header))})
	j.growing = true
	j.notifyLocked()
	j.mu.Unlock()
	return nil
}
