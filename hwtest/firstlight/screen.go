package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// width is what every line fits in.
const width = 79

// A screen shows steps on a terminal, where the line of a step is rewritten as
// it goes on, or plainly to a file, where each step gets one line.
type screen struct {
	w    io.Writer
	live bool
	mu   sync.Mutex
}

func newScreen(f *os.File) *screen {
	info, err := f.Stat()
	live := err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	return &screen{w: f, live: live}
}

// line prints one line, cut to the width.
func (s *screen) line(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(s.w, fit(strings.TrimRight(fmt.Sprintf(format, args...), " ")))
}

func fit(text string) string {
	if r := []rune(text); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return text
}

// words prints words after a label, on as many lines as they take.
func (s *screen) words(label string, words []string) {
	line := label
	for _, w := range words {
		if len([]rune(line))+len(w) > width {
			s.line("%s", line)
			line = strings.Repeat(" ", len([]rune(label)))
		}
		line += w + "  "
	}
	s.line("%s", line)
}

// title prints a heading.
func (s *screen) title(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text = fit(text)
	if s.live {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	fmt.Fprintf(s.w, "\n%s\n", text)
}

// note prints a remark to the step before.
func (s *screen) note(format string, args ...any) {
	s.line("          "+format, args...)
}

// A step is one thing that takes long.
type step struct {
	mu  sync.Mutex
	now string // what it is at
}

// say says what the step is at.
func (st *step) say(now string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.now = now
}

// Write takes the last line of a program's progress.
func (st *step) Write(b []byte) (int, error) {
	text := strings.TrimSpace(string(b))
	st.say(text[strings.LastIndexByte(text, '\n')+1:])
	return len(b), nil
}

// step does work and shows that it goes on, for how long, and how it ended.
func (s *screen) step(what string, work func(*step) error) error {
	st, start, done := &step{}, time.Now(), make(chan error, 1)
	go func() { done <- work(st) }()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			mark := "ok"
			if err != nil {
				mark = "FAILED"
			}
			s.clear()
			s.line("%6.1f s  %-*s %6s", time.Since(start).Seconds(), width-17, what, mark)
			return err
		case <-tick.C:
			if s.live {
				st.mu.Lock()
				text := fit(fmt.Sprintf("%6.1f s  %s  %s", time.Since(start).Seconds(), what, st.now))
				st.mu.Unlock()
				s.mu.Lock()
				fmt.Fprintf(s.w, "\r\x1b[K%s", text)
				s.mu.Unlock()
			}
		}
	}
}

func (s *screen) clear() {
	if s.live {
		fmt.Fprint(s.w, "\r\x1b[K")
	}
}
