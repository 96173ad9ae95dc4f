package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// qmpTimeout bounds one command: QEMU answers in milliseconds unless its host
// is out of breath.
const qmpTimeout = 20 * time.Second

// qmp speaks the QEMU machine protocol (docs/interop/qmp-spec.txt of QEMU):
// JSON objects, one command at a time. Events are skipped.
type qmp struct {
	mu   sync.Mutex
	conn net.Conn
	in   *json.Decoder
}

type qmpListener struct{ net.Listener }

// listenQMP listens where QEMU will connect: it is there before QEMU is, so
// nobody has to try again.
func listenQMP(path string) (qmpListener, error) {
	l, err := net.Listen("unix", path)
	return qmpListener{l}, err
}

// accept waits for QEMU to connect and leaves its capabilities as they are.
func (l qmpListener) accept(ctx context.Context, exited <-chan struct{}) (*qmp, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-exited:
		case <-ctx.Done():
		}
		l.Close()
	}()
	conn, err := l.Accept()
	if err != nil {
		return nil, errors.New("QEMU did not connect")
	}
	q := &qmp{conn: conn, in: json.NewDecoder(conn)}
	conn.SetReadDeadline(time.Now().Add(qmpTimeout))
	var greeting struct{ QMP json.RawMessage }
	if err := q.in.Decode(&greeting); err != nil {
		return nil, fmt.Errorf("reading QEMU's greeting: %w", err)
	}
	return q, q.do("qmp_capabilities")
}

// do runs one command that takes and returns nothing.
func (q *qmp) do(command string) error { return q.ask(command, nil, nil) }

// ask runs one command and puts what it returns into result, unless that is nil.
func (q *qmp) ask(command string, arguments map[string]string, result any) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.conn.SetDeadline(time.Now().Add(qmpTimeout))
	ask := struct {
		Execute   string            `json:"execute"`
		Arguments map[string]string `json:"arguments,omitempty"`
	}{command, arguments}
	if err := json.NewEncoder(q.conn).Encode(ask); err != nil {
		return fmt.Errorf("QMP %s: %w", command, err)
	}
	for {
		var answer struct {
			Return json.RawMessage `json:"return"`
			Error  *struct {
				Desc string `json:"desc"`
			} `json:"error"`
		}
		if err := q.in.Decode(&answer); err != nil {
			return fmt.Errorf("QMP %s: %w", command, err)
		}
		switch {
		case answer.Error != nil:
			return fmt.Errorf("QMP %s: %s", command, answer.Error.Desc)
		case answer.Return != nil && result != nil:
			return json.Unmarshal(answer.Return, result)
		case answer.Return != nil:
			return nil
		}
	}
}

func (q *qmp) Close() { q.conn.Close() }

// Wait waits until the machine has switched itself off.
func (m *Machine) Wait(ctx context.Context) error {
	select {
	case <-m.exited:
		return m.err
	case <-ctx.Done():
		return fmt.Errorf("machine is still on: %w%s", ctx.Err(), m.Console.tail())
	}
}
