package edge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
)

// socketBuffer holds what arrives while a reader is held up: at 10^6 small
// datagrams a second, of which the kernel counts 768 bytes each, 80 ms. The
// kernel may grant less.
const socketBuffer = 64 << 20

// UDP is the carrier that needs nothing but a port. On Linux it has a socket
// for each core, between which the kernel spreads the senders; elsewhere one.
type UDP struct {
	sockets []*net.UDPConn
	writer  *writer // of the first socket
}

// ListenUDP opens the sockets of addr, host:port.
func ListenUDP(addr string, log *slog.Logger) (*UDP, error) {
	u := &UDP{}
	var config net.ListenConfig
	for i := range sockets(runtime.GOMAXPROCS(0)) {
		c, err := config.ListenPacket(context.Background(), "udp", addr)
		if err != nil {
			u.Close()
			return nil, fmt.Errorf("listening for sensors: %w", err)
		}
		conn := c.(*net.UDPConn)
		u.sockets = append(u.sockets, conn)
		if i == 0 { // it was bound alone, so no other program has the port; now its sisters may
			share(conn)
			addr, config.Control = conn.LocalAddr().String(), shareControl
		}
		if granted, err := tune(conn); i == 0 && err != nil {
			log.Warn("UDP sockets are slower than they could be", "buffer", granted, "error", err)
		}
	}
	u.writer = newWriter(u.sockets[0])
	return u, nil
}

// Addr is where it listens.
func (u *UDP) Addr() netip.AddrPort { return u.sockets[0].LocalAddr().(*net.UDPAddr).AddrPort() }

// Run gives e what comes in until ctx ends, then returns nil. ACKs can be sent
// until Close.
func (u *UDP) Run(ctx context.Context, e *Edge) error {
	g, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() {
		for _, conn := range u.sockets {
			conn.SetReadDeadline(time.Now())
		}
	})
	defer stop()
	for _, conn := range u.sockets {
		g.Go(func() error { return u.read(ctx, conn, e) })
	}
	g.Go(func() error {
		u.watch(ctx, e)
		return nil
	})
	return g.Wait()
}

func (u *UDP) read(ctx context.Context, conn *net.UDPConn, e *Edge) error {
	r := newReader(conn)
	receive := func(d []byte, from netip.AddrPort) { e.Receive(d, Peer{Addr: from, Via: u}) }
	for {
		err := r.read(receive)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("reading from sensors: %w", err)
		case err != nil:
			e.counters.add(readErrors)
		}
	}
}

// watch counts what the kernel drops at the sockets, every second.
func (u *UDP) watch(ctx context.Context, e *Edge) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	seen := make([]uint32, len(u.sockets)) // the kernel's counter has 32 bits
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for i, conn := range u.sockets {
			n := kernelDrops(conn)
			e.counters[dropKernel].Add(uint64(n - seen[i]))
			seen[i] = n
		}
	}
}

// Send sends one datagram.
func (u *UDP) Send(d []byte, to netip.AddrPort) error {
	_, err := u.sockets[0].WriteToUDPAddrPort(d, to)
	return err
}

// SendAll sends all datagrams and returns how many the kernel refused. One
// goroutine at a time may call it.
func (u *UDP) SendAll(all []Outgoing) (refused int) { return u.writer.write(all) }

// Close closes the sockets.
func (u *UDP) Close() error {
	var errs []error
	for _, conn := range u.sockets {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}
