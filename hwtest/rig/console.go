package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// silence is how long a machine that we wait for may say nothing: six times
// what an x86 kernel under TCG on a busy host takes from UEFI to init.
const silence = 120 * time.Second

// tailLines is how much of the console an error quotes.
const tailLines = 15

// A Console is what a machine's serial line has said since power-on.
type Console struct {
	copy io.Writer

	mu      sync.Mutex
	lines   []consoleLine
	heard   time.Time     // when the last byte came
	changed chan struct{} // closed, and made anew, with each line
	ended   bool
	err     error // how the machine ended; valid iff ended
}

type consoleLine struct {
	at   time.Time
	text string
}

func newConsole(copy io.Writer) *Console {
	return &Console{copy: copy, heard: time.Now(), changed: make(chan struct{})}
}

// escapes are the terminal sequences with which UEFI draws its screen (ECMA-48).
var escapes = regexp.MustCompile(`\x1b(\[[0-9;?=]*[A-Za-z]|[()][A-Z0-9]|[=>c])`)

// read takes lines until the machine ends.
func (c *Console) read(r io.Reader) {
	if c.copy != nil {
		r = io.TeeReader(r, c.copy)
	}
	lines := bufio.NewReader(&hearing{c, r})
	for {
		text, err := lines.ReadString('\n')
		if text != "" {
			c.mu.Lock()
			c.lines = append(c.lines, consoleLine{time.Now(), strings.TrimSpace(escapes.ReplaceAllString(text, ""))})
			c.wakeLocked()
			c.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

// hearing notes that bytes came, whether or not they are a line yet.
type hearing struct {
	c *Console
	r io.Reader
}

func (h *hearing) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	h.c.mu.Lock()
	h.c.heard = time.Now()
	h.c.mu.Unlock()
	return n, err
}

func (c *Console) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended, c.err = true, err
	c.wakeLocked()
}

func (c *Console) wakeLocked() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// fatal are lines after which nothing we wait for will come.
var fatal = regexp.MustCompile(`Kernel panic|X64 Exception Type|Synchronous Exception at`)

// Expect waits for a line, said at any time since power-on, that matches
// pattern; it returns the submatches and when the line was said. It gives up
// when ctx ends, when the machine does, and when the console falls silent.
func (c *Console) Expect(ctx context.Context, pattern string) ([]string, time.Time, error) {
	re := regexp.MustCompile(pattern)
	seen := 0
	for {
		c.mu.Lock()
		lines, changed, ended, heard := c.lines, c.changed, c.ended, c.heard
		c.mu.Unlock()
		for ; seen < len(lines); seen++ {
			if m := re.FindStringSubmatch(lines[seen].text); m != nil {
				return m, lines[seen].at, nil
			}
			if fatal.MatchString(lines[seen].text) {
				return nil, time.Time{}, fmt.Errorf("waiting for console to say %q: machine crashed%s", pattern, c.tail())
			}
		}
		var why error
		select {
		case <-changed:
			continue
		case <-time.After(time.Until(heard.Add(silence))):
			c.mu.Lock()
			quiet := time.Since(c.heard)
			c.mu.Unlock()
			if quiet < silence {
				continue
			}
			why = fmt.Errorf("console has been silent for %v", quiet.Round(time.Second))
		case <-ctx.Done():
			why = ctx.Err()
		case <-closedIf(ended):
			why = errors.Join(errors.New("machine is off"), c.err)
		}
		return nil, time.Time{}, fmt.Errorf("waiting for console to say %q: %w%s", pattern, why, c.tail())
	}
}

// Count returns how many lines so far match pattern.
func (c *Console) Count(pattern string) int {
	re := regexp.MustCompile(pattern)
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, l := range c.lines {
		if re.MatchString(l.text) {
			n++
		}
	}
	return n
}

// Last returns the submatches of the last line so far that matches pattern, or
// nil, and when it was said.
func (c *Console) Last(pattern string) ([]string, time.Time) {
	re := regexp.MustCompile(pattern)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range slices.Backward(c.lines) {
		if m := re.FindStringSubmatch(l.text); m != nil {
			return m, l.at
		}
	}
	return nil, time.Time{}
}

// tail returns the last lines, for an error to end with.
func (c *Console) tail() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for _, l := range c.lines[max(0, len(c.lines)-tailLines):] {
		fmt.Fprintf(&b, "\n    console: %s", l.text)
	}
	return b.String()
}

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// closedIf returns a channel that is ready if now is true, and never otherwise.
func closedIf(now bool) <-chan struct{} {
	if now {
		return closed
	}
	return nil
}
