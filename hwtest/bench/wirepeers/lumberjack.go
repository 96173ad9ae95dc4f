package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"time"

	client "github.com/elastic/go-lumber/client/v2"
	"github.com/elastic/go-lumber/server"
)

// perWindow is how many events a window has, and inflight how many windows wait
// for their ACK: Beats' defaults.
const (
	perWindow = 2048
	inflight  = 2
)

// lumberjack sends every record as a JSON event by version 2 of the protocol,
// compressed at Beats' level 3, over TLS.
func lumberjack(flows []Flow) (taken int, err error) {
	log.SetOutput(io.Discard) // the library says much
	config, err := selfSigned()
	if err != nil {
		return 0, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	s, err := server.NewWithListener(tls.NewListener(listener, config), server.V2(true))
	if err != nil {
		return 0, err
	}
	defer s.Close()
	all, done := len(flows), make(chan int)
	go func() {
		n := 0
		for b := range s.ReceiveChan() {
			n += len(b.Events)
			b.ACK()
			if n == all {
				break
			}
		}
		done <- n
	}()
	dial := func(network, address string) (net.Conn, error) {
		return tls.Dial(network, address, &tls.Config{InsecureSkipVerify: true}) // its certificate was made above
	}
	c, err := client.AsyncDialWith(dial, listener.Addr().String(), inflight, client.CompressionLevel(3), client.Timeout(30*time.Second))
	if err != nil {
		return 0, err
	}
	defer c.Close()
	failed := make(chan error, len(flows)/perWindow+1)
	for len(flows) > 0 {
		n := min(perWindow, len(flows))
		window := make([]interface{}, n)
		for i := range window {
			window[i] = &flows[i]
		}
		if err := c.Send(func(_ uint32, err error) { failed <- err }, window); err != nil {
			return 0, err
		}
		flows = flows[n:]
	}
	return <-done, nil
}

func selfSigned() (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, nil
}
