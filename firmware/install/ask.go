package install

import (
	"context"
	"fmt"
	"strings"
)

// A Console is where an operator may sit.
type Console struct {
	Say   func(format string, args ...any)
	Lines <-chan string // what is typed
}

// Choose returns the disk that the operator names, twice. It waits until ctx
// ends: the sensor runs meanwhile.
func (c Console) Choose(ctx context.Context, targets []Disk) (Disk, error) {
	for {
		c.Say("this system runs from its medium, in RAM. It can be installed on")
		for _, d := range targets {
			c.Say("  %s", d)
		}
		c.Say("To install, type \"install\" and the disk's name; all that is on the disk is then lost.")
		line, err := c.line(ctx)
		if err != nil {
			return Disk{}, err
		}
		d, ok := named(targets, line)
		if !ok {
			continue
		}
		c.Say("Everything on %s will be lost. To go on, type its name once more.", d)
		if line, err = c.line(ctx); err != nil {
			return Disk{}, err
		}
		if line == d.Name {
			return d, nil
		}
		c.Say("not installed: %q is not %q", line, d.Name)
	}
}

// named returns the disk that "install NAME" names.
func named(targets []Disk, line string) (Disk, bool) {
	words := strings.Fields(line)
	if len(words) != 2 || words[0] != "install" {
		return Disk{}, false
	}
	for _, d := range targets {
		if d.Name == words[1] {
			return d, true
		}
	}
	return Disk{}, false
}

func (c Console) line(ctx context.Context) (string, error) {
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case line := <-c.Lines:
		return strings.TrimSpace(line), nil
	}
}

// Only returns the one disk there is to install on without asking. Of several,
// none is the right one.
func Only(targets []Disk) (Disk, error) {
	if len(targets) != 1 {
		return Disk{}, fmt.Errorf("%d disks to install on, want 1 where nobody is asked", len(targets))
	}
	return targets[0], nil
}
