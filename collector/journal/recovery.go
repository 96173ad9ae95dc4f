package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/taproot-sensor/taproot/internal/durable"
)

// Recovery is what Open found and did.
type Recovery struct {
	Segments int // on disk
	Entries  int // in the newest readable segment, after cutting
	CutBytes int64

	// Cut is where and why the newest segment was cut, nil where it was whole.
	Cut *CorruptionErr

	// Unreadable are segments whose header is damaged. They stay on disk, and
	// a Reader reports each again when it skips it.
	Unreadable []*CorruptionErr
}

func (r Recovery) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%d segments, %d entries in the newest", r.Segments, r.Entries)
	if r.Cut != nil {
		fmt.Fprintf(&s, "; cut %d bytes: %v", r.CutBytes, r.Cut)
	}
	for _, e := range r.Unreadable {
		fmt.Fprintf(&s, "; unreadable: %v", e)
	}
	return s.String()
}

// open takes the lock, lists the segments and rebuilds the memory from the
// newest segment that is readable: its checkpoint has all that came before.
func (j *Journal) open() (rec Recovery, err error) {
	if err := os.MkdirAll(j.dir, 0o700); err != nil {
		return rec, err
	}
	if err := durable.SyncDir(filepath.Dir(j.dir)); err != nil {
		return rec, err
	}
	if j.lock, err = lockDir(j.dir); err != nil {
		return rec, err
	}
	if err := j.list(); err != nil {
		return rec, err
	}
	rec.Segments = len(j.segs)
	j.stored = make(memory)
	for i := len(j.segs) - 1; i >= 0; i-- {
		err := j.rebuild(&j.segs[i], i == len(j.segs)-1, &rec)
		var bad *CorruptionErr
		if errors.As(err, &bad) {
			rec.Unreadable = append(rec.Unreadable, bad)
			continue
		}
		if err != nil {
			return rec, err
		}
		break
	}
	if n := len(j.segs); n > 0 {
		j.end = Pos{j.segs[n-1].number, j.segs[n-1].end}
	}
	return rec, nil
}

// list finds the segments and removes what a crash left of an unfinished one.
func (j *Journal) list() error {
	names, err := os.ReadDir(j.dir)
	if err != nil {
		return err
	}
	for _, e := range names {
		if strings.HasSuffix(e.Name(), durable.TempSuffix) {
			if err := os.Remove(filepath.Join(j.dir, e.Name())); err != nil {
				return err
			}
			continue
		}
		hex, ok := strings.CutSuffix(e.Name(), ".seg")
		number, err := strconv.ParseUint(hex, 16, 64)
		if !ok || err != nil || j.path(number) != filepath.Join(j.dir, e.Name()) {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		j.segs = append(j.segs, segment{number, info.Size()})
		j.next = max(j.next, number+1)
	}
	slices.SortFunc(j.segs, func(a, b segment) int { return int(int64(a.number) - int64(b.number)) })
	return nil
}

// rebuild makes the memory from one segment. The newest is cut at the first
// bad record, and synced: the crash may have come between write and sync.
func (j *Journal) rebuild(seg *segment, newest bool, rec *Recovery) error {
	f, err := os.OpenFile(j.path(seg.number), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	m, first, err := readHeader(f, seg.number, seg.end)
	if err != nil {
		return err
	}
	j.stored = m
	s := &scanner{r: f, number: seg.number, off: first, end: seg.end}
	for {
		e, err := s.next()
		if err == nil {
			m.add(bootKey{e.Sensor, e.Boot}, e.Batch, e.Received)
			rec.Entries++
			continue
		}
		var bad *CorruptionErr
		switch {
		case errors.Is(err, io.EOF):
		case !errors.As(err, &bad):
			return err
		case newest:
			rec.Cut, rec.CutBytes = bad, seg.end-bad.Offset
			if err := f.Truncate(bad.Offset); err != nil {
				return err
			}
			seg.end = bad.Offset
		}
		return f.Sync()
	}
}

// lockDir keeps a second process out of dir.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%s is in use by another process", dir)
		}
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	return f, nil
}
