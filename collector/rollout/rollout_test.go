package rollout_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/taproot-sensor/taproot/collector/rollout"
	"github.com/taproot-sensor/taproot/provisioning/releases"
	"github.com/taproot-sensor/taproot/wire/release"
)

// A stage is a collector with two releases for one board, 1.0 and 1.1.
type stage struct {
	t      *testing.T
	server *rollout.Server
	repo   *releases.Repo
	now    time.Time
	slots  [2]string
	names  [2]string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	dir := t.TempDir()
	s := &stage{t: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	s.server = &rollout.Server{Dir: filepath.Join(dir, "served"), Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return s.now }}
	var err error
	if s.repo, err = releases.Create(filepath.Join(dir, "repo"), filepath.Join(dir, "keys")); err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.slots {
		slot := []byte(strings.Repeat(fmt.Sprint("slot", i), 100))
		sum := sha256.Sum256(slot)
		s.slots[i] = hex.EncodeToString(sum[:])
		n, err := s.repo.Sign(releases.Image{Board: "pc", Release: fmt.Sprintf("1.%d", i), Slot: enc.EncodeAll(slot, nil), Digest: s.slots[i], Size: int64(len(slot))},
			releases.SignOptions{Channels: []string{rollout.DefaultChannel}})
		if err != nil {
			t.Fatal(err)
		}
		s.names[i] = n.Target
	}
	s.publish()
	return s
}

func (s *stage) publish() {
	s.t.Helper()
	if _, err := s.repo.Publish(s.server.Dir); err != nil {
		s.t.Fatal(err)
	}
}

// ask returns what a sensor that runs slot is offered.
func (s *stage) ask(unit int, slot string, failed ...string) string {
	s.t.Helper()
	return s.say(release.Query{Board: "pc", Unit: fmt.Sprintf("%016x", unit), Slot: slot, Failed: failed})
}

func (s *stage) say(q release.Query) string {
	s.t.Helper()
	r, err := s.server.OpenFor(strings.Repeat("0", 48)+q.Unit, q.Name())
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	var o release.Offer
	if err == nil {
		err = json.Unmarshal(text, &o)
	}
	if err != nil || o.Wait <= 0 {
		s.t.Fatalf("offer %q: %v", text, err)
	}
	return o.Target
}

func (s *stage) decide(change func(c *rollout.Channel)) {
	s.t.Helper()
	err := rollout.Change(s.server.Dir, func(p *rollout.Policy) error {
		c := p.Channel(rollout.DefaultChannel)
		change(&c)
		p.Channels[rollout.DefaultChannel] = c
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestCanary(t *testing.T) {
	s := newStage(t)
	offered := map[int]int{}
	first := map[int]bool{}
	for _, percent := range []int{0, 10, 50, 100} {
		s.decide(func(c *rollout.Channel) { c.Canary = &percent })
		for unit := range 400 {
			switch got := s.ask(unit, s.slots[0]); {
			case got == s.names[1]:
				offered[percent]++
				first[unit] = true
			case got != "":
				t.Fatalf("unit %d that runs 1.0 is offered %q", unit, got)
			case first[unit]:
				t.Fatalf("unit %d had 1.1 at a smaller percentage and has it no more at %d", unit, percent)
			}
			if got := s.ask(unit, s.slots[1]); percent < 100 && got != "" {
				t.Fatalf("unit %d that runs 1.1 is offered %q", unit, got)
			}
		}
	}
	if offered[0] != 0 || offered[10] < 20 || offered[10] > 65 || offered[50] < 160 || offered[50] > 240 || offered[100] != 400 {
		t.Errorf("of 400 units were offered the newest, by percent: %v", offered)
	}
	zero := 0
	s.decide(func(c *rollout.Channel) { c.Canary = &zero })
	if got := s.ask(1, "ff"); got != s.names[0] {
		t.Errorf("a unit that runs neither is offered %q, want the release before the newest", got)
	}
}

func TestPauseOnFailure(t *testing.T) {
	s := newStage(t)
	s.decide(func(c *rollout.Channel) { c.Failures = 2 })
	s.ask(1, s.slots[0], s.slots[1])
	if got := s.ask(2, s.slots[0]); got != s.names[1] {
		t.Errorf("after one failure %q is offered, want it to go on", got)
	}
	s.now = s.now.Add(time.Minute)
	s.ask(2, s.slots[0], s.slots[1])
	if got := s.ask(3, s.slots[0]); got != "" {
		t.Errorf("after two failures %q is offered, want nothing", got)
	}
	status, err := rollout.ReadStatus(s.server.Dir)
	if err != nil || len(status.Channels) != 1 || !strings.Contains(status.Channels[0].Paused, "1.1 for pc failed on 2") || len(status.Units) != 3 || status.Units[0].Failed[0] != "1.1" ||
		status.Units[2].Sensor != fmt.Sprintf("%064x", 3) {
		t.Errorf("status %+v, %v", status, err)
	}
	s.now = s.now.Add(time.Minute)
	s.decide(func(c *rollout.Channel) { c.Paused, c.Since = "", s.now })
	if got := s.ask(3, s.slots[0]); got != s.names[1] {
		t.Errorf("after it was resumed %q is offered", got)
	}
}

// A sensor that runs from RAM does not remember what has failed; the collector
// does, from what the sensor said before it tried it.
func TestTrialFromRAM(t *testing.T) {
	s := newStage(t)
	s.decide(func(c *rollout.Channel) { c.Failures = 2 })
	farewell := func(unit int) {
		t.Helper()
		if got := s.say(release.Query{Board: "pc", Unit: fmt.Sprintf("%016x", unit), Slot: s.slots[0], Trial: s.slots[1]}); got != "" {
			t.Errorf("who says what it is about to try is offered %q", got)
		}
		s.now = s.now.Add(time.Minute)
	}
	for _, unit := range []int{1, 2} {
		if got := s.ask(unit, s.slots[0]); got != s.names[1] {
			t.Fatalf("unit %d is offered %q", unit, got)
		}
		farewell(unit)
	}
	if got := s.ask(1, s.slots[1]); got != "" { // the trial went well
		t.Errorf("what runs 1.1 is offered %q", got)
	}
	for range 2 {
		if got := s.ask(2, s.slots[0]); got != "" {
			t.Errorf("who has come back from 1.1 is offered %q", got)
		}
	}
	if got := s.ask(2, "0"); got != s.names[0] {
		t.Errorf("who has come back from 1.1 to something else is offered %q, want the one before", got)
	}
	if got := s.ask(3, s.slots[0]); got != s.names[1] {
		t.Errorf("others are offered %q after one failure of two", got)
	}
	s.server = &rollout.Server{Dir: s.server.Dir, Log: s.server.Log, Now: s.server.Now} // it is kept
	if got := s.ask(2, s.slots[0]); got != "" {
		t.Errorf("who has come back from 1.1 is offered %q by another collector", got)
	}
	farewell(1)
	if got := s.ask(1, s.slots[0]); got != "" {
		t.Errorf("the second to come back is offered %q", got)
	}
	status, err := rollout.ReadStatus(s.server.Dir)
	if err != nil || !strings.Contains(status.Channels[0].Paused, "1.1 for pc failed on 2") || len(status.Units[1].Failed) != 1 || status.Units[1].Failed[0] != "1.1" {
		t.Errorf("status %+v, %v", status, err)
	}
	s.now = s.now.Add(time.Minute)
	s.decide(func(c *rollout.Channel) { c.Paused, c.Since = "", s.now })
	if got := s.ask(2, s.slots[0]); got != s.names[1] {
		t.Errorf("after it was resumed %q is offered", got)
	}
}

func TestWindowAndWithdrawal(t *testing.T) {
	s := newStage(t)
	s.decide(func(c *rollout.Channel) { c.Window = "23:00-04:30" })
	for hour, want := range map[int]string{12: "", 22: "", 23: s.names[1], 3: s.names[1], 5: ""} {
		s.now = time.Date(2026, 11, 22, hour, 15, 0, 0, time.UTC)
		if got := s.ask(1, s.slots[0]); got != want {
			t.Errorf("at %d:15 %q is offered, want %q", hour, got, want)
		}
	}
	s.decide(func(c *rollout.Channel) { c.Window = "" })
	n, err := s.repo.Find("1.1", "pc")
	if err == nil {
		err = s.repo.Withdraw(n)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.publish()
	if got := s.ask(1, s.slots[1]); got != s.names[0] {
		t.Errorf("a unit that runs what was withdrawn is offered %q, want %q", got, s.names[0])
	}
	for _, bad := range []string{"", "1:00-2:00", "24:00-01:00", "01:00-02:60", "01:00-02:00x", "-1:00-02:00"} {
		if _, err := rollout.ParseWindow(bad); err == nil {
			t.Errorf("window %q is read", bad)
		}
	}
}

func TestFilesOnly(t *testing.T) {
	s := newStage(t)
	for _, name := range []string{"policy.json", "units.json", "../keys/online.key", "metadata", "targets/", "offer/pc"} {
		if f, err := s.server.OpenFor("", name); err == nil {
			f.Close()
			t.Errorf("%q is served", name)
		}
	}
}
