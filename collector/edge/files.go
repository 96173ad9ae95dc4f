package edge

import (
	"context"
	"io"

	"github.com/taproot-sensor/taproot/wire/seal"
	"github.com/taproot-sensor/taproot/wire/session"
)

// wishQueue bounds the wishes for files that wait. Sensors ask again.
const wishQueue = 256

// A wish is a FETCH that was opened.
type wish struct {
	link *link
	session.Fetch
}

// fetch takes a FETCH datagram.
func (e *Edge) fetch(d []byte, id uint32, from Peer) {
	buf := plains.Get().(*[seal.MaxPlain]byte)
	defer plains.Put(buf)
	l, number, plain := e.open(buf[:0], d, id)
	if l == nil {
		return
	}
	f, err := session.ParseFetch(plain)
	if err != nil {
		e.counters.add(dropBadData)
		return
	}
	l.mu.Lock()
	l.mark(number, len(d), from)
	l.mu.Unlock()
	e.due.add(l)
	select {
	case e.wishes <- wish{l, f}:
		e.counters.add(fetches)
	default:
		e.counters.add(dropFetchQueue)
	}
}

// serveFiles answers wishes, one after the other: records come first.
func (e *Edge) serveFiles(ctx context.Context) error {
	buf := make([]byte, session.MaxFetch)
	for {
		select {
		case <-ctx.Done():
			return nil
		case w := <-e.wishes:
			e.grant(w, buf)
		}
	}
}

// grant sends the part of a file that is wished for, in pieces. What is lost of
// them the sensor wishes for again.
func (e *Edge) grant(w wish, buf []byte) {
	p := session.Piece{Sequence: w.Sequence, Offset: w.Offset, Total: session.NoFile}
	content, err := e.cfg.Open(w.link.sensor, w.Name)
	if err != nil {
		e.piece(w.link, &p)
		return
	}
	defer content.Close()
	total, err := content.Seek(0, io.SeekEnd)
	if err == nil && w.Offset < uint64(total) {
		_, err = content.Seek(int64(w.Offset), io.SeekStart)
	}
	if err != nil {
		e.cfg.Log.Error("file for a sensor", "name", w.Name, "error", err)
		return
	}
	p.Total, p.Offset = uint64(total), min(w.Offset, uint64(total))
	n, err := io.ReadFull(content, buf[:min(uint64(w.Size), p.Total-p.Offset)])
	if err != nil && n == 0 && p.Offset < p.Total && w.Size > 0 {
		e.cfg.Log.Error("file for a sensor", "name", w.Name, "error", err)
		return
	}
	for rest := buf[:n]; ; rest, p.Offset = rest[len(p.Data):], p.Offset+uint64(len(p.Data)) {
		p.Data = rest[:min(len(rest), session.MaxPiece)]
		if len(p.Data) == 0 && n > 0 || !e.piece(w.link, &p) || len(rest) == 0 {
			return
		}
	}
}

// piece sends one piece, and reports whether another may follow.
func (e *Edge) piece(l *link, p *session.Piece) bool {
	plain := p.Append(nil)
	l.mu.Lock()
	size := seal.Overhead + len(plain)
	if l.gone || l.moved && l.credit < size {
		l.mu.Unlock()
		return false
	}
	if l.moved {
		l.credit -= size
	}
	d := l.seal.Seal(nil, session.Head(session.TypePiece, l.id), l.acks, plain)
	l.acks++
	to := l.peer
	l.mu.Unlock()
	e.write(d, to)
	return true
}
