package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// pause is the time from frame to frame: 500 a second are quick to watch and
// easy for an emulated board.
const pause = 2 * time.Millisecond

// questions are what a person asks first; %s is when this show began, because
// the lake remembers earlier ones.
var questions = []struct{ title, sql string }{
	{"Who talks most?", "SELECT src_addr AS client, dst_addr AS server, sum(src_bytes + dst_bytes) AS bytes, count(*) AS flows FROM flow WHERE ts >= '%s' GROUP BY ALL ORDER BY bytes DESC, client, server LIMIT 5"},
	{"Which names are asked for?", "SELECT name, qtype AS type, rcode, count(*) AS times FROM dns WHERE ts >= '%s' GROUP BY ALL ORDER BY times DESC, name LIMIT 5"},
	{"Which TLS servers are called?", "SELECT sni AS server_name, version, next_protocol AS protocol, count(*) AS times FROM tls WHERE sni <> '' AND ts >= '%s' GROUP BY ALL ORDER BY times DESC, server_name LIMIT 5"},
}

// tally counts records by kind as they arrive.
type tally struct {
	mu    sync.Mutex
	total map[string]int
	sent  atomic.Int64 // frames played
}

func (t *tally) count(line []byte) error {
	var r struct{ Kind string }
	if err := json.Unmarshal(line, &r); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.total == nil {
		t.total = map[string]int{}
	}
	t.total[r.Kind]++
	return nil
}

func (t *tally) totals() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.total)
}

// errDone ends a show that was asked to end by itself.
var errDone = errors.New("the show is over")

// watch plays the traffic and shows what arrives until ctx ends or, with once,
// until the questions are answered.
func (s *show) watch(ctx context.Context, once bool) error {
	s.screen.title(fmt.Sprintf("playing %d frames in a loop; records stored, per second", s.frames))
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.play(ctx) })
	g.Go(func() error {
		err := s.collector.Tail(ctx, "", s.tally.count)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return errors.Join(errors.New("the collector stopped telling"), err)
	})
	g.Go(func() error { return s.report(ctx, once) })
	if err := g.Wait(); err != errDone && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// play replays the captures, again and again.
func (s *show) play(ctx context.Context) error {
	for {
		for _, path := range s.traffic {
			n, err := s.machine.Tap.Replay(ctx, path, pause)
			s.tally.sent.Add(int64(n))
			if err != nil {
				return err
			}
		}
	}
}

// report prints a line a second, and the answers when it is time.
func (s *show) report(ctx context.Context, once bool) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := map[string]int{}
	for second := 1; ; second++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		now := s.tally.totals()
		s.screen.words(fmt.Sprintf("%5d s  ", second), rates(now, last))
		last = now
		if second != int(watchFor/time.Second) {
			continue
		}
		if err := s.answers(ctx); err != nil {
			return err
		}
		if once {
			return errDone
		}
		s.screen.title("going on until Ctrl-C; ask your own questions with bin/taproot query")
	}
}

// rates returns how many records of each kind are new.
func rates(now, last map[string]int) []string {
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(now)) {
		if n := now[kind] - last[kind]; n > 0 {
			out = append(out, fmt.Sprintf("%s %d", kind, n))
		}
	}
	if len(out) == 0 {
		return []string{"nothing"}
	}
	return out
}

// answers asks the questions the way people do.
func (s *show) answers(ctx context.Context) error {
	began := s.machine.On.UTC().Truncate(time.Second).Format(time.DateTime)
	for _, q := range questions {
		sql := fmt.Sprintf(q.sql, began)
		out, err := exec.CommandContext(ctx, s.tools.Taproot, "query", "--data", s.collector.Data, sql).CombinedOutput()
		if err != nil {
			return fmt.Errorf("asking %q: %w: %s", sql, err, out)
		}
		s.screen.title(q.title)
		for l := range strings.Lines(string(out)) {
			s.screen.line("  %s", strings.TrimRight(l, "\n "))
		}
	}
	return nil
}

// end switches the board off, stops the collector, and sums up.
func (s *show) end() error {
	if s.collector == nil {
		return nil
	}
	s.screen.title("ending")
	// Whatever happened, and although ctx may have ended: in good order.
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	var errs []error
	var leaked uint64
	if s.machine != nil {
		errs = append(errs, s.screen.step("pressing the board's power button", func(*step) error {
			defer s.machine.Close()
			err := s.machine.PressPower(ctx)
			leaked, _ = s.machine.Tap.Heard()
			return err
		}))
	}
	errs = append(errs, s.screen.step("stopping the collector", func(*step) error { return s.collector.Stop() }))
	s.screen.title("summary")
	s.screen.line("  played:   %d frames into the tap port; %d came out of it", s.tally.sent.Load(), leaked)
	s.screen.words("  watched:  ", rates(s.tally.totals(), nil))
	if said, _, err := s.collector.Said.Expect(ctx, `^stored .*`); err == nil {
		s.screen.line("  stored:   %s", strings.TrimPrefix(said[0], "stored "))
		s.screen.line("            in %s", s.collector.Data)
	}
	if leaked > 0 {
		errs = append(errs, fmt.Errorf("the tap port sent %d frames", leaked))
	}
	return errors.Join(errs...)
}
