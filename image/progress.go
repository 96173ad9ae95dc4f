package image

import (
	"fmt"
	"io"
	"time"
)

// Progress says on W what takes long, for a person who waits. The zero value
// says nothing.
type Progress struct {
	W io.Writer
}

// patience is how long a step may take before it is worth saying that it is
// still running.
const patience = 2 * time.Second

// step runs work. What takes longer than patience is announced, and again as it
// goes on.
func (p Progress) step(what string, work func() error) error {
	if p.W == nil {
		return work()
	}
	start, done := time.Now(), make(chan error, 1)
	go func() { done <- work() }()
	tick := time.NewTicker(patience)
	defer tick.Stop()
	said := false
	for {
		select {
		case err := <-done:
			if said && err == nil {
				fmt.Fprintf(p.W, "%s: done in %s\n", what, since(start))
			}
			return err
		case <-tick.C:
			said = true
			fmt.Fprintf(p.W, "%s (%s)\n", what, since(start))
		}
	}
}

func since(t time.Time) time.Duration { return time.Since(t).Round(100 * time.Millisecond) }
