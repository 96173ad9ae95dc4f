package fetch

import (
	"context"
	"errors"
	"io"
)

// An Either fetches in one of two ways: the first until that fails, then the
// other until that does. One goroutine at a time may use it.
type Either [2]Fetcher

// Fetch tries one way and then the other.
func (e *Either) Fetch(ctx context.Context, name string, off int64, buf []byte) (int, error) {
	n, err := e[0].Fetch(ctx, name, off, buf)
	if err == nil || err == io.EOF || errors.Is(err, ErrNone) {
		return n, err
	}
	n, second := e[1].Fetch(ctx, name, off, buf)
	if second == nil || second == io.EOF || errors.Is(second, ErrNone) {
		e[0], e[1] = e[1], e[0]
		return n, second
	}
	return 0, errors.Join(err, second)
}
