package meter

import "github.com/taproot-sensor/taproot/firmware/flow"

// Values of flow.Record.App, and their names in records.
const (
	appNone = iota
)

var appNames = [...]string{""}

// Values of flow.Record.Parser.
const (
	parserNone = iota
)

type apps struct{ out *output }

func newApps(out *output) *apps { return &apps{out: out} }

func parserFor(*flow.Record) uint8 { return parserNone }

func (a *apps) payload(r *flow.Record, p *flow.Packet, seq uint32, b []byte) {}
func (a *apps) arp(now int64, vlan uint16, b []byte)                         {}
func (a *apps) advance(now int64)                                            {}
func (a *apps) drop(r *flow.Record)                                          {}
func (a *apps) flush()                                                       {}
