package swarm

import (
	"context"
	"net"
	"sync"

	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/session"
)

// socket is what some sensors share.
type socket struct {
	swarm *Swarm
	conn  *net.UDPConn

	mu       sync.Mutex
	hellos   map[enrol.Nonce]*sensor // who waits for an answer
	sessions map[uint32]*sensor
}

func newSocket(s *Swarm, conn *net.UDPConn) *socket {
	return &socket{swarm: s, conn: conn, hellos: map[enrol.Nonce]*sensor{}, sessions: map[uint32]*sensor{}}
}

func (k *socket) expect(nonce enrol.Nonce, n *sensor) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hellos[nonce] = n
}

func (k *socket) forget(nonce enrol.Nonce) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.hellos, nonce)
}

func (k *socket) add(n *sensor) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sessions[n.id] = n
}

// read gives answers to whom they are for.
func (k *socket) read(ctx context.Context) {
	buf, plain, oob := make([]byte, session.MaxDatagram+1), make([]byte, 0, session.MaxDatagram), make([]byte, stampSize)
	for ctx.Err() == nil {
		size, n, _, _, err := k.conn.ReadMsgUDPAddrPort(buf, oob)
		if err != nil {
			continue // refused while the collector is away, or ctx has ended
		}
		switch t, id, err := session.ParseHead(buf[:size]); {
		case err != nil:
		case t == session.TypeAck:
			k.mu.Lock()
			s := k.sessions[id]
			k.mu.Unlock()
			if s != nil {
				s.acked(buf[:size], plain, came(oob[:n]))
			}
		case t == session.TypeCookie:
			if nonce, _, err := enrol.ParseCookie(buf[:size]); err == nil {
				k.answer(nonce, buf[:size])
			}
		case t == session.TypeWelcome:
			k.welcome(buf[:size])
		}
	}
}

// answer gives a COOKIE or WELCOME to the sensor that said the HELLO.
func (k *socket) answer(nonce enrol.Nonce, d []byte) {
	k.mu.Lock()
	n := k.hellos[nonce]
	delete(k.hellos, nonce)
	k.mu.Unlock()
	if n == nil {
		return
	}
	select {
	case n.answers <- append([]byte(nil), d...):
	default: // it has more than it needs
	}
}

// welcome finds the sensor that a WELCOME is for: it is the one that can open it.
func (k *socket) welcome(d []byte) {
	k.mu.Lock()
	var waiting []*sensor
	for _, n := range k.hellos {
		waiting = append(waiting, n)
	}
	k.mu.Unlock()
	for _, n := range waiting {
		if w, err := enrol.OpenWelcome(d, n.keys.Shared, k.swarm.cfg.Site.Identity[:]); err == nil {
			k.answer(w.Hello, d)
			return
		}
	}
}
