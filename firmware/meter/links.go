package meter

import (
	"hash/maphash"
	"time"

	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/decode"
	"github.com/taproot-sensor/taproot/wire/record"
)

const (
	// sayAgain is how long what a port says every few seconds is not recorded
	// again unless it changes.
	sayAgain = 10 * time.Minute

	// maxSpeakers bounds the ports that are remembered. All are forgotten
	// when it is reached, so that some are recorded twice.
	maxSpeakers = 4096

	etherLLDP = 0x88cc

	// stpAge is where a configuration message has its age, which changes on
	// its way (IEEE 802.1D-2004, section 9.3.1).
	stpAge = 27
)

// A speaker is a port that says what it is.
type speaker struct {
	mac  [6]byte
	vlan uint16
	kind uint8
}

// said is what a speaker said last.
type said struct {
	hash uint64
	at   int64 // Unix ns of the record
}

// links remembers what ports said in protocols of the link.
type links struct {
	seed     maphash.Seed
	speakers map[speaker]said
}

func newLinks() links { return links{maphash.MakeSeed(), make(map[speaker]said)} }

// news reports whether b is something else than the speaker said before, or
// old enough to be said again.
func (l *links) news(now int64, who speaker, b []byte) bool {
	hash := maphash.Bytes(l.seed, b)
	if was, ok := l.speakers[who]; ok && was.hash == hash && now-was.at < int64(sayAgain) {
		return false
	}
	if len(l.speakers) >= maxSpeakers {
		clear(l.speakers)
	}
	l.speakers[who] = said{hash, now}
	return true
}

// Protocols of the link.
const (
	linkNone = iota
	linkLLDP
	linkCDP
	linkSTP
	linkPVST
)

// linkProtocol returns the protocol of a frame that has no flow, and its
// message. Those of bridges have their own service access point (IEEE
// 802.1D-2004, section 7.12.3), Cisco's are SNAP with its own OUI.
func linkProtocol(m *decode.Meta, b []byte) (protocol uint8, message []byte) {
	if m.EtherType == etherLLDP {
		return linkLLDP, b
	}
	if int(m.EtherType) < len(b) {
		b = b[:m.EtherType] // the rest is padding
	}
	switch {
	case m.EtherType >= 0x600 || len(b) < 8:
	case string(b[:3]) == "\x42\x42\x03":
		return linkSTP, b[3:]
	case string(b[:8]) == "\xaa\xaa\x03\x00\x00\x0c\x20\x00":
		return linkCDP, b[8:]
	case string(b[:8]) == "\xaa\xaa\x03\x00\x00\x0c\x01\x0b":
		return linkPVST, b[8:]
	}
	return linkNone, nil
}

// link takes a frame that has no flow, and reports whether it was of a
// protocol of the link.
func (a *apps) link(f *capture.Frame, m *decode.Meta, vlan uint16) bool {
	defer func() { a.caught(recover()) }()
	protocol, b := linkProtocol(m, f.Data[m.Payload:m.PayloadEnd])
	if protocol == linkNone {
		return false
	}
	mac, _ := decode.MACs(f.LinkType, f.Data)
	who := speaker{mac, vlan, protocol}
	if protocol == linkSTP || protocol == linkPVST {
		a.stp(f.Time, who, b)
	} else {
		a.lldp(f.Time, who, b)
	}
	return true
}

func (a *apps) lldp(now int64, who speaker, b []byte) {
	if !a.links.news(now, who, b) {
		return
	}
	rec := record.LLDP{Time: record.Nanos(now), SrcMAC: who.mac, VLAN: who.vlan}
	parse := app.ParseLLDP
	if who.kind == linkCDP {
		parse = app.ParseCDP
	}
	if parse(b, &rec) != nil {
		a.count.malformed["lldp"]++
	}
	if rec.ChassisID != "" || rec.PortID != "" {
		add(a.out, record.LLDPDef, &rec)
	}
}

func (a *apps) stp(now int64, who speaker, b []byte) {
	var same [64]byte
	n := copy(same[:], b)
	if n > stpAge+2 {
		same[stpAge], same[stpAge+1] = 0, 0
	}
	if !a.links.news(now, who, same[:n]) {
		return
	}
	rec := record.STP{Time: record.Nanos(now), SrcMAC: who.mac, VLAN: who.vlan}
	if app.ParseSTP(b, who.kind == linkPVST, &rec) != nil {
		a.count.malformed["stp"]++
		return
	}
	add(a.out, record.STPDef, &rec)
}
