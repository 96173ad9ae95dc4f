package jail

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/taproot-sensor/taproot/wire/batch"
)

// A Relay passes whole batches on to the one stage that reads them. Each start
// of a stage has a pipe of its own, so that the rest of a batch from a process
// that died is never taken for the head of the next.
type Relay struct {
	mu      sync.Mutex
	to      *os.File // write end, or nil while nobody reads
	dropped int64

	begun chan struct{} // closed once there was a reader, or never will be
	begin func()        // closes begun
}

// NewRelay returns a relay that has no reader yet.
func NewRelay() *Relay {
	begun := make(chan struct{})
	return &Relay{begun: begun, begin: sync.OnceFunc(func() { close(begun) })}
}

// Connect returns the read end of a new pipe, which takes the place of the old.
func (r *Relay) Connect() (*os.File, error) {
	from, to, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("connecting stages: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closeLocked()
	r.to = to
	r.begin()
	return from, nil
}

// Close ends the pipe: its reader has had everything.
func (r *Relay) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closeLocked()
	r.begin()
}

func (r *Relay) closeLocked() {
	if r.to != nil {
		r.to.Close()
		r.to = nil
	}
}

// Send passes one batch on. It waits for the first reader, and while the reader
// is slow. When a reader has died, and until there is another, records are
// counted as dropped: the spool, which would have kept them, is gone with it.
func (r *Relay) Send(f batch.Frame) {
	<-r.begun
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to != nil && batch.WriteFrame(r.to, f) == nil {
		return
	}
	r.closeLocked()
	r.dropped += int64(f.Records)
}

// Dropped returns how many records had no reader.
func (r *Relay) Dropped() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.dropped
}

// Copy passes on all batches of one process. It returns nil at the end of from.
func (r *Relay) Copy(from io.Reader) error {
	for {
		f, err := batch.ReadFrame(from)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		r.Send(f)
	}
}
