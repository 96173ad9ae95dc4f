package fetch

import (
	"context"
	"errors"
	"io"

	"github.com/taproot-sensor/taproot/wire/release"
)

// An Either fetches files in one of two ways: by HTTPS until that fails, then over
// the session until that does. Questions go over the session alone: there the
// collector knows that an approved sensor asks. One goroutine at a time may use
// it.
type Either struct {
	HTTPS, Session Fetcher

	session bool // the session worked last
}

// Fetch tries one way and then the other.
func (e *Either) Fetch(ctx context.Context, name string, off int64, buf []byte) (int, error) {
	if !release.IsFile(name) {
		return e.Session.Fetch(ctx, name, off, buf)
	}
	first, second := e.HTTPS, e.Session
	if e.session {
		first, second = second, first
	}
	n, err := first.Fetch(ctx, name, off, buf)
	if answered(err) {
		return n, err
	}
	n, other := second.Fetch(ctx, name, off, buf)
	if answered(other) {
		e.session = !e.session
		return n, other
	}
	return 0, errors.Join(err, other)
}

// answered reports whether err is what a collector says, and not that of a way.
func answered(err error) bool { return err == nil || err == io.EOF || errors.Is(err, ErrNone) }
