package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/taproot-sensor/taproot/board"
)

// pins are the lines of a machine's GPIO chip, as QEMU has them. Its qtest
// protocol (docs/devel/testing.rst of QEMU), one line of text for each question
// and answer, reads memory as a device on the bus would, and sets the inputs of
// a chip, for which its monitor has no command.
type pins struct {
	mu   sync.Mutex
	conn net.Conn
	in   *bufio.Reader
	at   uint64 // physical address at which the lines are read
	chip string // the chip in QEMU's tree of objects
}

// pinListener waits for QEMU to connect; the zero pinListener is of a board
// whose lines QEMU does not show.
type pinListener struct {
	net.Listener
	at uint64
}

func listenPins(b *board.Board, sockets string) (pinListener, error) {
	if b.QEMU.PinData == 0 {
		return pinListener{}, nil
	}
	l, err := net.Listen("unix", filepath.Join(sockets, "qtest"))
	return pinListener{l, b.QEMU.PinData}, err
}

func (l pinListener) Close() {
	if l.Listener != nil {
		l.Listener.Close()
	}
}

func pinArguments(b *board.Board, sockets string) []string {
	if b.QEMU.PinData == 0 {
		return nil
	}
	return []string{"-chardev", "socket,id=qtest,path=" + filepath.Join(sockets, "qtest"), "-qtest", "chardev:qtest", "-qtest-log", "none"}
}

// accept takes QEMU's connection: it was made before that of q. A machine without
// the chip has no pins.
func (l pinListener) accept(q *qmp) (*pins, error) {
	if l.Listener == nil {
		return nil, nil
	}
	l.Listener.(*net.UnixListener).SetDeadline(time.Now().Add(qmpTimeout))
	conn, err := l.Accept()
	if err != nil {
		return nil, fmt.Errorf("waiting for QEMU's lines: %w", err)
	}
	const devices = "/machine/unattached"
	var children []struct{ Name, Type string }
	if err := q.ask("qom-list", map[string]string{"path": devices}, &children); err != nil {
		return nil, err
	}
	for _, c := range children {
		if c.Type == "child<pl061>" {
			return &pins{conn: conn, in: bufio.NewReader(conn), at: l.at, chip: devices + "/" + c.Name}, nil
		}
	}
	// Behind UEFI, virt has a device for events in the place of the chip
	// (QEMU's hw/arm/virt.c).
	return nil, conn.Close()
}

// do asks one question and returns the words of the answer after OK.
func (p *pins) do(format string, args ...any) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	question := fmt.Sprintf(format, args...)
	p.conn.SetDeadline(time.Now().Add(qmpTimeout))
	if _, err := fmt.Fprintln(p.conn, question); err != nil {
		return "", fmt.Errorf("qtest %s: %w", question, err)
	}
	answer, err := p.in.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("qtest %s: %w", question, err)
	}
	rest, ok := strings.CutPrefix(strings.TrimSpace(answer), "OK")
	if !ok {
		return "", fmt.Errorf("qtest %s: %s", question, strings.TrimSpace(answer))
	}
	return strings.TrimSpace(rest), nil
}

// Lines returns the levels of the lines of the machine's GPIO chip, bit n for
// line n.
func (m *Machine) Lines() (uint64, error) {
	if m.pins == nil {
		return 0, errors.New("nobody sees the lines of this machine")
	}
	text, err := m.pins.do("readl %#x", m.pins.at)
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(text, 0, 64)
}

// Watch reads the lines for so long, and returns which share of the readings
// found each of them high.
func (m *Machine) Watch(ctx context.Context, long time.Duration) (high [8]float64, err error) {
	readings := 0.0
	for end := time.Now().Add(long); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		lines, err := m.Lines()
		if err != nil {
			return high, err
		}
		for n := range high {
			high[n] += float64(lines >> n & 1)
		}
		readings++
	}
	for n := range high {
		high[n] /= readings
	}
	return high, ctx.Err()
}

// Drive sets an input of the machine's GPIO chip.
func (m *Machine) Drive(line int, high bool) error {
	if m.pins == nil {
		return errors.New("nobody reaches the lines of this machine")
	}
	level := 0
	if high {
		level = 1
	}
	_, err := m.pins.do("set_irq_in %s unnamed-gpio-in %d %d", m.pins.chip, line, level)
	return err
}
