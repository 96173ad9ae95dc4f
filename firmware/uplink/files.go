package uplink

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/taproot-sensor/taproot/firmware/fetch"
	"github.com/taproot-sensor/taproot/internal/ranges"
	"github.com/taproot-sensor/taproot/wire/session"
)

// How long a wish for a part of a file may take: so long for each try.
// A part whose first pieces have come is waited for less: the others follow at
// once.
const (
	fetchPatience = 700 * time.Millisecond
	burstPatience = 200 * time.Millisecond
	fetchTries    = 6
)

// Files fetches from the collector over the session that Run holds. It is one
// of a Config; its Fetch may be called by others than Run's goroutines.
type Files struct{ wishes chan *wish }

// NewFiles returns a way to fetch.
func NewFiles() *Files { return &Files{make(chan *wish)} }

// A wish is a part of a file that is under way.
type wish struct {
	name  string
	off   uint64
	buf   []byte
	reply chan reply

	first uint32     // sequences from here on are of this wish
	got   ranges.Set // of buf
	again time.Time
	tries int
}

// A reply ends a wish.
type reply struct {
	n   int
	err error
}

var errUnanswered = errors.New("no answer over the session")

// Fetch returns what the collector has of a file, at most session.MaxFetch
// bytes of it, as fetch.Fetcher says.
func (f *Files) Fetch(ctx context.Context, name string, off int64, buf []byte) (int, error) {
	w := &wish{name: name, off: uint64(off), buf: make([]byte, min(len(buf), session.MaxFetch)), reply: make(chan reply, 1)}
	select {
	case f.wishes <- w:
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(fetchTries * fetchPatience): // another is under way, or nothing runs
		return 0, errUnanswered
	}
	select {
	case r := <-w.reply:
		return copy(buf, w.buf[:r.n]), r.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// wishes returns where the next wish comes from, or nil while one is under way.
func (u *uplink) wishes() <-chan *wish {
	if u.Files == nil || u.wish != nil {
		return nil
	}
	return u.Files.wishes
}

// wishFor says FETCH for what is missing of the wish under way, if that is due.
func (u *uplink) wishFor(now time.Time) {
	w := u.wish
	if w == nil || now.Before(w.again) {
		return
	}
	if w.tries++; w.tries > fetchTries {
		u.answer(0, errUnanswered)
		return
	}
	w.again = now.Add(fetchPatience)
	u.sequence++
	if w.first == 0 {
		w.first = u.sequence
	}
	from := w.got.Next()
	f := session.Fetch{Sequence: u.sequence, Offset: w.off + from, Size: uint32(uint64(len(w.buf)) - from), Name: w.name}
	plain, err := f.Append(nil)
	if err != nil {
		u.answer(0, err)
		return
	}
	if u.send != nil {
		d := u.send.link.Seal(nil, session.Head(session.TypeFetch, u.send.id), u.number, plain)
		u.number++
		u.write(u.road, d)
	}
}

// answer ends the wish under way.
func (u *uplink) answer(n int, err error) {
	u.wish.reply <- reply{n, err}
	u.wish = nil
}

// piece takes a PIECE.
func (u *uplink) piece(d []byte, now time.Time) error {
	plain, err := u.open(d)
	if err != nil {
		return err
	}
	p, err := session.ParsePiece(plain)
	if err != nil {
		return err
	}
	w := u.wish
	if w == nil || p.Sequence < w.first || p.Sequence > u.sequence || w.first == 0 {
		return errStale
	}
	if p.Total == session.NoFile {
		u.answer(0, fetch.ErrNone)
		return nil
	}
	want := uint64(len(w.buf))
	if p.Total <= w.off {
		want = 0
	} else {
		want = min(want, p.Total-w.off)
	}
	if n := uint64(len(p.Data)); n > 0 && p.Offset >= w.off && p.Offset-w.off < want && n <= want-(p.Offset-w.off) {
		at := p.Offset - w.off
		copy(w.buf[at:], p.Data)
		w.got.AddRange(ranges.Range{First: at, Last: at + n - 1})
		w.tries, w.again = 0, now.Add(burstPatience)
	}
	if w.got.Next() < want {
		return nil
	}
	if w.off+want == p.Total || want == 0 {
		err = io.EOF
	}
	u.answer(int(want), err)
	return nil
}
