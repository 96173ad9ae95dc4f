package update

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Proof is one thing that a system on trial must have shown.
type Proof string

// What makes a trial good: all of it in this boot.
const (
	Up       Proof = "init is up"
	Watchdog Proof = "the watchdog is pinged"
	Ports    Proof = "every port is there"
	Ring     Proof = "the tap's ring is open"
	Stored   Proof = "the collector has stored a batch"
)

var proofs = []Proof{Up, Watchdog, Ports, Ring, Stored}

// A Trial gathers proofs from all over a sensor. The zero Trial is ready.
type Trial struct {
	mu    sync.Mutex
	shown []Proof
	more  chan struct{} // closed with the next proof; nil while nobody waits
}

// Show says that p has been seen. It may be said again.
func (t *Trial) Show(p Proof) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.Contains(t.shown, p) {
		return
	}
	t.shown = append(t.shown, p)
	if t.more != nil {
		close(t.more)
		t.more = nil
	}
}

// missing returns what has not been shown, and a channel that is closed when
// that changes.
func (t *Trial) missing() ([]string, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.more == nil {
		t.more = make(chan struct{})
	}
	var missing []string
	for _, p := range proofs {
		if !slices.Contains(t.shown, p) {
			missing = append(missing, string(p))
		}
	}
	return missing, t.more
}

// Wait returns nil when everything was shown, and an error that names what was
// not when patience is over.
func (t *Trial) Wait(ctx context.Context, patience time.Duration) error {
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		missing, more := t.missing()
		if len(missing) == 0 {
			return nil
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		case <-timeout.C:
			return fmt.Errorf("not confirmed in %s; not seen: %s", patience, strings.Join(missing, ", "))
		}
	}
}

// Await returns nil once p has been shown, and an error when ctx ends.
func (t *Trial) Await(ctx context.Context, p Proof) error {
	for {
		missing, more := t.missing()
		if !slices.Contains(missing, string(p)) {
			return ctx.Err()
		}
		select {
		case <-more:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
