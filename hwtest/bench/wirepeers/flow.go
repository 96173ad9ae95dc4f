package main

import (
	"errors"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Flow has the fields of a flow record that most flows have. Addresses are
// text, as Netcap's records and JSON have them.
type Flow struct {
	Kind       string    `json:"kind"`
	Sensor     string    `json:"sensor,omitempty"`
	Start      time.Time `json:"ts"`
	Duration   int64     `json:"duration,omitempty"`
	ID         uint64    `json:"flow,omitempty"`
	SrcAddr    string    `json:"src_addr,omitempty"`
	SrcPort    uint64    `json:"src_port,omitempty"`
	DstAddr    string    `json:"dst_addr,omitempty"`
	DstPort    uint64    `json:"dst_port,omitempty"`
	Proto      uint64    `json:"proto,omitempty"`
	App        string    `json:"app,omitempty"`
	SrcMAC     string    `json:"src_mac,omitempty"`
	DstMAC     string    `json:"dst_mac,omitempty"`
	SrcPackets uint64    `json:"src_packets,omitempty"`
	DstPackets uint64    `json:"dst_packets,omitempty"`
	SrcBytes   uint64    `json:"src_bytes,omitempty"`
	DstBytes   uint64    `json:"dst_bytes,omitempty"`
	SrcPayload uint64    `json:"src_payload,omitempty"`
	DstPayload uint64    `json:"dst_payload,omitempty"`
	SrcFlags   uint64    `json:"src_flags,omitempty"`
	DstFlags   uint64    `json:"dst_flags,omitempty"`
	SrcTTL     uint64    `json:"src_ttl,omitempty"`
	DstTTL     uint64    `json:"dst_ttl,omitempty"`
	History    string    `json:"history,omitempty"`
	State      string    `json:"state,omitempty"`
	End        string    `json:"end,omitempty"`
}

// fields returns the fields as Protocol Buffers number them, from 1.
func (f *Flow) fields() (numbers []*uint64, texts []*string) {
	return []*uint64{&f.ID, &f.SrcPort, &f.DstPort, &f.Proto, &f.SrcPackets, &f.DstPackets, &f.SrcBytes, &f.DstBytes,
			&f.SrcPayload, &f.DstPayload, &f.SrcFlags, &f.DstFlags, &f.SrcTTL, &f.DstTTL},
		[]*string{&f.SrcAddr, &f.DstAddr, &f.App, &f.SrcMAC, &f.DstMAC, &f.History, &f.State, &f.End}
}

// Append appends the message: times as fields 1 and 2, numbers from 3 on, texts
// behind them; what is zero is left out, as proto3 does.
func (f *Flow) Append(b []byte) []byte {
	b = appendNumber(b, 1, uint64(f.Start.UnixNano()))
	b = appendNumber(b, 2, uint64(f.Duration))
	numbers, texts := f.fields()
	for i, n := range numbers {
		b = appendNumber(b, protowire.Number(3+i), *n)
	}
	for i, s := range texts {
		if *s != "" {
			b = protowire.AppendTag(b, protowire.Number(3+len(numbers)+i), protowire.BytesType)
			b = protowire.AppendString(b, *s)
		}
	}
	return b
}

func appendNumber(b []byte, field protowire.Number, n uint64) []byte {
	if n == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), n)
}

// Parse reads what Append has written.
func (f *Flow) Parse(b []byte) error {
	numbers, texts := f.fields()
	for len(b) > 0 {
		field, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		switch i := int(field); typ {
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return protowire.ParseError(n)
			}
			b = b[n:]
			switch {
			case i == 1:
				f.Start = time.Unix(0, int64(v))
			case i == 2:
				f.Duration = int64(v)
			case i-3 < len(numbers):
				*numbers[i-3] = v
			}
		case protowire.BytesType:
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return protowire.ParseError(n)
			}
			b = b[n:]
			if i -= 3 + len(numbers); i >= 0 && i < len(texts) {
				*texts[i] = string(v)
			}
		default:
			return errors.New("unknown wire type")
		}
	}
	return nil
}
