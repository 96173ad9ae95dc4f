// Command gopacket decodes a capture file with Go's gopacket, for "make bench"
// to compare with. It is a module of its own, because the sensor must never
// have gopacket's layers.
//
// Usage: gopacket new|parser FILE
//
// It does what its users do to have flows: decode to the transport layer, and
// count packets in a map by both ends. "new" makes a packet with NewPacket, and
// "parser" reuses the layers of a DecodingLayerParser, the fastest way it has.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "gopacket: %v\n", err)
		os.Exit(1)
	}
}

type key struct{ network, transport gopacket.Flow }

func run(args []string) error {
	if len(args) != 2 || args[0] != "new" && args[0] != "parser" {
		return errors.New("usage: gopacket new|parser FILE")
	}
	f, err := os.Open(args[1])
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		return err
	}
	flows := make(map[key]int)
	count := newPacket
	if args[0] == "parser" {
		count = parser()
	}
	frames := 0
	for {
		data, _, err := r.ReadPacketData()
		if err == io.EOF {
			fmt.Printf("%d frames, %d one-way flows\n", frames, len(flows))
			return nil
		}
		if err != nil {
			return err
		}
		frames++
		if k, ok := count(data); ok {
			flows[k]++
		}
	}
}

func newPacket(data []byte) (k key, ok bool) {
	p := gopacket.NewPacket(data, layers.LayerTypeEthernet, gopacket.DecodeOptions{NoCopy: true})
	if n := p.NetworkLayer(); n != nil {
		k.network, ok = n.NetworkFlow(), true
	}
	if t := p.TransportLayer(); t != nil {
		k.transport = t.TransportFlow()
	}
	return k, ok
}

func parser() func([]byte) (key, bool) {
	var eth layers.Ethernet
	var tag layers.Dot1Q
	var ip4 layers.IPv4
	var ip6 layers.IPv6
	var tcp layers.TCP
	var udp layers.UDP
	p := gopacket.NewDecodingLayerParser(layers.LayerTypeEthernet, &eth, &tag, &ip4, &ip6, &tcp, &udp)
	var decoded []gopacket.LayerType
	return func(data []byte) (k key, ok bool) {
		_ = p.DecodeLayers(data, &decoded) // it ends at the first layer that nobody wants
		for _, l := range decoded {
			switch l {
			case layers.LayerTypeIPv4:
				k.network, ok = ip4.NetworkFlow(), true
			case layers.LayerTypeIPv6:
				k.network, ok = ip6.NetworkFlow(), true
			case layers.LayerTypeTCP:
				k.transport = tcp.TransportFlow()
			case layers.LayerTypeUDP:
				k.transport = udp.TransportFlow()
			}
		}
		return k, ok
	}
}
