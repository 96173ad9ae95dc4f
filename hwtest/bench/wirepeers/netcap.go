package main

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/crypto/nacl/box"
	"google.golang.org/protobuf/encoding/protowire"
)

// perDatagram is how many bytes of records go into one datagram before they are
// compressed.
const perDatagram = 8 << 10

// netcap is the scheme of Netcap's agents and collection server: records of one
// type, delimited Protocol Buffers, gzip, a NaCl box whose shared key is made
// anew for each, and one UDP datagram, which nobody acknowledges.
func netcap(flows []Flow) (taken int, err error) {
	serverPublic, serverPrivate, err := box.GenerateKey(rand.Reader)
	if err != nil {
		return 0, err
	}
	public, private, err := box.GenerateKey(rand.Reader)
	if err != nil {
		return 0, err
	}
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, err
	}
	defer server.Close()
	server.SetReadBuffer(64 << 20)
	client, err := net.DialUDP("udp", nil, server.LocalAddr().(*net.UDPAddr))
	if err != nil {
		return 0, err
	}
	defer client.Close()
	sent := make(chan error, 1)
	go func() {
		sent <- netcapSend(client, flows, serverPublic, private)
		server.SetReadDeadline(time.Now().Add(200 * time.Millisecond)) // what is under way comes yet
	}()
	for buf := make([]byte, 64<<10); ; {
		n, err := server.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return taken, <-sent
		}
		if err != nil {
			return taken, err
		}
		got, err := netcapOpen(buf[:n], public, serverPrivate)
		if err != nil {
			return taken, err
		}
		taken += got
	}
}

func netcapSend(conn *net.UDPConn, flows []Flow, to, private *[32]byte) error {
	var raw, one []byte
	flush := func() error {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		z.Write(raw)
		if err := z.Close(); err != nil {
			return err
		}
		raw = raw[:0]
		var nonce [24]byte
		rand.Read(nonce[:])
		_, err := conn.Write(box.Seal(nonce[:], packed.Bytes(), &nonce, to, private))
		return err
	}
	for i := range flows {
		one = flows[i].Append(one[:0])
		raw = protowire.AppendBytes(raw, one)
		if len(raw) >= perDatagram {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

func netcapOpen(d []byte, from, private *[32]byte) (taken int, err error) {
	packed, ok := box.Open(nil, d[24:], (*[24]byte)(d), from, private)
	if !ok {
		return 0, errors.New("box does not open")
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return 0, err
	}
	raw, err := io.ReadAll(z)
	if err != nil {
		return 0, err
	}
	for len(raw) > 0 {
		one, n := protowire.ConsumeBytes(raw)
		if n < 0 {
			return taken, protowire.ParseError(n)
		}
		raw = raw[n:]
		var f Flow
		if err := f.Parse(one); err != nil {
			return taken, err
		}
		taken++
	}
	return taken, nil
}
