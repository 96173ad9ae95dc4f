package rig

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestExpect(t *testing.T) {
	tests := []struct {
		name, said, pattern string
		end                 error
		want, wantErr       string
	}{
		{name: "a line", said: "one\r\ntaproot: code ABCD\r\nthree\n", pattern: `code (\S+)`, want: "ABCD"},
		{name: "behind a drawn screen", said: "\x1b[2J\x1b[01;01Htaproot: init up\r\n", pattern: `^taproot: (init up)`, want: "init up"},
		{name: "machine ends", said: "one\n", pattern: "two", end: errors.New("exit status 1"), wantErr: "exit status 1"},
		{name: "kernel panics", said: "[ 3.9] Kernel panic - not syncing: no init\n", pattern: "two", wantErr: "machine crashed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newConsole(nil)
			c.read(strings.NewReader(tt.said))
			c.end(tt.end)
			m, _, err := c.Expect(t.Context(), tt.pattern)
			switch {
			case tt.wantErr == "" && (err != nil || m[1] != tt.want):
				t.Errorf("got %q, %v, want %q", m, err, tt.want)
			case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
				t.Errorf("got error %v, want one that says %q", err, tt.wantErr)
			}
		})
	}
}

// TestExpectSilence: a machine that says nothing for long is given up, with
// what it said last; dots without an end of line keep it alive.
func TestExpectSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		c := newConsole(nil)
		go c.read(r)
		go func() {
			io.WriteString(w, "booting\n")
			for range 3 {
				time.Sleep(silence / 2)
				io.WriteString(w, ".")
			}
		}()
		start := time.Now()
		_, _, err := c.Expect(context.Background(), "never said")
		if err == nil || !strings.Contains(err.Error(), "silent") || !strings.Contains(err.Error(), "booting") {
			t.Errorf("got error %v, want one that names the silence and quotes the console", err)
		}
		if got, want := time.Since(start), 3*silence/2+silence; got != want {
			t.Errorf("gave up after %v, want %v", got, want)
		}
		w.Close()
	})
}
