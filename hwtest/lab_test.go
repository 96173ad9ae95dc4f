package hwtest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/collector/query"
	"github.com/taproot-sensor/taproot/hwtest/rig"
)

// bootTimeout bounds each wait for the console: ten times what the slowest
// board needs on two idle cores.
const bootTimeout = 180 * time.Second

// shop is what all scenarios share: the programs, and a base image per board.
var shop struct {
	once   sync.Once
	dir    string
	tools  rig.Tools
	err    error
	mu     sync.Mutex
	images map[string]string
}

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(shop.dir)
	os.Exit(code)
}

// long skips a scenario that takes minutes, but for make hwtest.
func long(t *testing.T) {
	t.Helper()
	if os.Getenv("TAPROOT_HWTEST") != "all" {
		t.Skip("takes minutes: make hwtest runs it")
	}
}

// tools builds the programs, once.
func tools(t *testing.T) rig.Tools {
	t.Helper()
	shop.once.Do(func() {
		if shop.dir, shop.err = os.MkdirTemp("", "taproot-hwtest-"); shop.err == nil {
			shop.tools, shop.err = rig.BuildTools(context.Background(), shop.dir)
		}
		shop.images = map[string]string{}
	})
	if shop.err != nil {
		t.Fatal(shop.err)
	}
	return shop.tools
}

// baseImage builds the board's image without a site, once.
func baseImage(t *testing.T, name string) string {
	t.Helper()
	shop.mu.Lock()
	defer shop.mu.Unlock()
	dir, ok := shop.images[name]
	if !ok {
		dir = filepath.Join(shop.dir, name)
		start := time.Now()
		flags := []string{"--board", name, "-o", dir}
		if b, err := board.Lookup(name); err == nil && len(b.PiFirmware.Files()) > 0 {
			flags = append(flags, "--pi-firmware", piFirmware(t, b))
		}
		if err := tools(t).Build(t.Context(), nil, flags...); err != nil {
			t.Fatal(err)
		}
		t.Logf("built a base image for %s in %.1f s", name, time.Since(start).Seconds())
		shop.images[name] = dir
	}
	return dir
}

// A lab is one collector and one sensor of its site.
type lab struct {
	t         *testing.T
	board     *board.Board
	collector *rig.Collector
	image     string
	machine   *rig.Machine
}

// newLab starts a collector with fresh keys and makes an image for its site.
func newLab(t *testing.T, boardName string) *lab {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a machine; -short skips it")
	}
	b, err := board.Lookup(boardName)
	if err != nil {
		t.Fatal(err)
	}
	if err := rig.Missing(b); err != nil {
		missing(t, err.Error())
	}
	l := &lab{t: t, board: b, image: filepath.Join(t.TempDir(), "image")}
	if l.collector, err = rig.NewCollector(tools(t), filepath.Join(t.TempDir(), "data"), nil); err != nil {
		t.Fatal(err)
	}
	l.startCollector()
	t.Cleanup(l.collector.Kill)
	l.setSite(l.collector.Site())
	return l
}

// setSite makes the lab's image one for the given site.
func (l *lab) setSite(path string) {
	l.t.Helper()
	start := time.Now()
	if err := tools(l.t).Image(l.t.Context(), l.board.Name, path, baseImage(l.t, l.board.Name), l.image, nil); err != nil {
		l.t.Fatal(err)
	}
	l.t.Logf("put the site into the image in %.1f s", time.Since(start).Seconds())
}

func (l *lab) startCollector() {
	l.t.Helper()
	if err := l.collector.Start(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

// boot switches the machine on. Whatever the scenario, when it ends not one
// frame may have come out of the tap port.
func (l *lab) boot(how rig.Config) {
	l.t.Helper()
	how.Board, how.Image, how.Dir = l.board, l.image, l.t.TempDir()
	l.switchOn(how)
}

// switchOn switches a board on, whatever it is.
func (l *lab) switchOn(d rig.Device) {
	l.t.Helper()
	m, err := d.Start(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	l.machine = m
	l.t.Cleanup(func() {
		l.tapIsSilent()
		m.Close()
	})
}

func (l *lab) tapIsSilent() {
	l.t.Helper()
	for _, tap := range l.machine.Taps {
		if n, first := tap.Heard(); n > 0 {
			l.t.Errorf("a tap port sent %d frames; the first of them: %x", n, first)
		}
	}
}

// expect waits for the console and returns the first submatch, and how long
// after power-on it was said.
func (l *lab) expect(pattern string) (string, time.Duration) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), bootTimeout)
	defer cancel()
	m, at, err := l.machine.Console.Expect(ctx, pattern)
	if err != nil {
		l.t.Fatal(err)
	}
	return m[len(m)-1], at.Sub(l.machine.On)
}

// enrol waits for the sensor to ask and approves the code on its console.
func (l *lab) enrol() {
	l.t.Helper()
	code, _ := l.expect(`taproot: enrolment code (\S+)`)
	l.expect(`taproot: waiting for approval`)
	s, err := l.collector.Approve(l.t.Context(), code, "hwtest")
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Logf("approved sensor %s by its code %s", s.ID[:8], s.Code)
	l.expect(`taproot: enrolled`)
}

// play replays capture files onto the tap port, as fast as the machine takes the
// frames.
func (l *lab) play(paths ...string) {
	l.t.Helper()
	l.expect(`taproot: tap port \S+ open`)
	for _, p := range paths {
		n, err := l.machine.Tap.Replay(l.t.Context(), p, 0)
		if err != nil {
			l.t.Fatal(err)
		}
		l.t.Logf("replayed %s: %d frames", filepath.Base(p), n)
	}
}

// inFlight is how long frames may be on their way from the cable through the
// port's ring into the sensor: a socket's queue of 512 takes a machine under
// TCG a few tenths of a second.
const inFlight = 2 * time.Second

// powerOff presses the button, once the sensor has seen what was played: it
// ends every flow, delivers what it has, and switches off.
func (l *lab) powerOff() {
	l.t.Helper()
	time.Sleep(inFlight)
	ctx, cancel := context.WithTimeout(l.t.Context(), 30*time.Second)
	defer cancel()
	start := time.Now()
	if err := l.machine.PressPower(ctx); err != nil {
		l.t.Fatal(err)
	}
	l.expect(`taproot: powering off`)
	l.t.Logf("orderly power-off took %.1f s", time.Since(start).Seconds())
}

// query asks the collector and returns the rows as facts.
func (l *lab) query(sql string) []fact {
	l.t.Helper()
	var columns []query.Column
	var out []fact
	err := l.collector.Query(l.t.Context(), sql, func(line []byte) error {
		if line[0] != '[' {
			var head query.Head
			err := json.Unmarshal(line, &head)
			if head.Columns != nil {
				columns = head.Columns
			}
			return err
		}
		var row []any
		d := json.NewDecoder(bytes.NewReader(line))
		d.UseNumber()
		if err := d.Decode(&row); err != nil {
			return err
		}
		f := fact{}
		for i, v := range row {
			f.set(columns[i].Name, v)
		}
		out = append(out, f)
		return nil
	})
	if err != nil {
		l.t.Fatalf("query %s: %v", sql, err)
	}
	return out
}

// ask returns the only value of a query's only row.
func (l *lab) ask(sql string) string {
	l.t.Helper()
	rows := l.query(sql)
	if len(rows) != 1 {
		l.t.Fatalf("query %s: %d rows, want 1", sql, len(rows))
	}
	for _, v := range rows[0] {
		return v
	}
	return "0" // zero values are left out
}

// numbers prints a measurement where people and scripts find it.
func numbers(t *testing.T, format string, args ...any) {
	t.Helper()
	line := fmt.Sprintf(format, args...)
	t.Log(line)
	fmt.Println("NUMBERS", line)
}
