package fetch

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// The kinds of answers, the first byte of each.
const (
	more   = 'm' // data, and there is more
	last   = 'l' // data, and there is no more
	none   = 'n' // no such file
	failed = 'f' // what went wrong
)

const (
	requestHead = 4 + 8 + 4 // sequence, offset, size; then the name
	answerHead  = 4 + 1     // sequence, kind; then data
)

// A Link is the end of the socket that asks. The zero Link has no other end yet.
type Link struct {
	// Patience is how long an answer may take; 0 is 30 seconds.
	Patience time.Duration

	mu       sync.Mutex
	conn     *os.File
	sequence uint32
}

// Connect returns the end of a new socket that a process is given, in the place
// of the one before.
func (l *Link) Connect() (*os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("connecting for updates: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		l.conn.Close()
	}
	l.conn = os.NewFile(uintptr(fds[0]), "fetch")
	return os.NewFile(uintptr(fds[1]), "fetch"), nil
}

var errNobody = errors.New("nobody fetches")

// Fetch asks the other end.
func (l *Link) Fetch(ctx context.Context, name string, off int64, buf []byte) (int, error) {
	l.mu.Lock()
	conn := l.conn
	l.sequence++
	sequence := l.sequence
	l.mu.Unlock()
	if conn == nil {
		return 0, errNobody
	}
	buf = buf[:min(len(buf), MaxPiece)]
	patience := l.Patience
	if patience == 0 {
		patience = 30 * time.Second
	}
	conn.SetDeadline(time.Now().Add(patience))
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	le := binary.LittleEndian
	q := le.AppendUint32(nil, sequence)
	q = le.AppendUint64(q, uint64(off))
	q = le.AppendUint32(q, uint32(len(buf)))
	if _, err := conn.Write(append(q, name...)); err != nil {
		return 0, err
	}
	a := make([]byte, answerHead+MaxPiece)
	for {
		n, err := conn.Read(a)
		if err != nil {
			return 0, errors.Join(err, ctx.Err())
		}
		if n < answerHead || le.Uint32(a) != sequence {
			continue // late, to a question that was given up
		}
		return parseAnswer(a[4:n], buf)
	}
}

// parseAnswer takes an answer, from its kind on.
func parseAnswer(a, buf []byte) (int, error) {
	kind, data := a[0], a[1:]
	if len(data) > len(buf) && (kind == more || kind == last) {
		return 0, errors.New("more came than was asked for")
	}
	switch kind {
	case more:
		return copy(buf, data), nil
	case last:
		return copy(buf, data), io.EOF
	case none:
		return 0, ErrNone
	}
	return 0, fmt.Errorf("collector: %.200q", data)
}

// Serve answers on conn, which Connect returned, until ctx ends or the other end
// is gone.
func Serve(ctx context.Context, conn *os.File, f Fetcher) error {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	q := make([]byte, requestHead+512)
	le := binary.LittleEndian
	for {
		n, err := conn.Read(q)
		if err == io.EOF || ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("fetching: %w", err)
		}
		if n < requestHead {
			continue
		}
		a := make([]byte, answerHead, answerHead+MaxPiece)
		copy(a, q[:4])
		buf := a[answerHead : answerHead+min(int(le.Uint32(q[12:])), MaxPiece)]
		got, err := f.Fetch(ctx, string(q[requestHead:n]), int64(le.Uint64(q[4:])), buf)
		a = a[:answerHead+got]
		switch {
		case err == nil:
			a[4] = more
		case err == io.EOF:
			a[4] = last
		case errors.Is(err, ErrNone):
			a = append(a[:4], none)
		default:
			a = append(append(a[:4], failed), fmt.Sprintf("%.200s", err.Error())...)
		}
		if _, err := conn.Write(a); err != nil && ctx.Err() == nil {
			return fmt.Errorf("fetching: %w", err)
		}
	}
}
