package hwtest_test

import (
	"encoding/xml"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// needTShark skips the test, or fails it where skipping is not allowed,
// if tshark is not installed.
func needTShark(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("tshark"); err != nil {
		missing(t, "tshark is not installed; scripts/install-deps test installs it")
	}
}

// missing ends a test that the host cannot run.
func missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("TAPROOT_HWTEST") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// A packet is one packet as tshark dissects it: a tree of fields (PDML).
type packet struct {
	Protos []field `xml:"proto"`
}

type field struct {
	Name   string  `xml:"name,attr"`
	Label  string  `xml:"showname,attr"`
	Show   string  `xml:"show,attr"`
	Fields []field `xml:"field"`
	Protos []field `xml:"proto"`
}

// dissect returns the packets of a capture file. Fragments are not joined: a
// frame is what it is on the wire.
func dissect(t *testing.T, path string) []packet {
	t.Helper()
	cmd := exec.Command("tshark", "-n", "-r", path, "-T", "pdml",
		"-o", "ip.defragment:FALSE", "-o", "ipv6.defragment:FALSE", "-o", "tcp.desegment_tcp_streams:TRUE")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v: %s", err, stderr.String())
	}
	var doc struct {
		Packets []packet `xml:"packet"`
	}
	if err := xml.Unmarshal(out, &doc); err != nil {
		t.Fatalf("reading PDML: %v", err)
	}
	return doc.Packets
}

// proto returns the first protocol of the packet that has one of the names. The
// packet that an ICMP error quotes comes after the one that carries it.
func (p *packet) proto(names ...string) *field {
	for i := range p.Protos {
		for _, name := range names {
			if p.Protos[i].Name == name {
				return &p.Protos[i]
			}
		}
	}
	return nil
}

// all returns every protocol of the packet called name: two DNS messages may
// share a segment.
func (p *packet) all(name string) []*field {
	var out []*field
	for i := range p.Protos {
		if p.Protos[i].Name == name {
			out = append(out, &p.Protos[i])
		}
	}
	return out
}

// find returns the fields called name at or below f, in order.
func (f *field) find(name string) []*field {
	if f == nil {
		return nil
	}
	var out []*field
	if f.Name == name {
		out = append(out, f)
	}
	for i := range f.Fields {
		out = append(out, f.Fields[i].find(name)...)
	}
	for i := range f.Protos {
		out = append(out, f.Protos[i].find(name)...)
	}
	return out
}

// text returns what tshark shows of the first field called name, or "".
func (f *field) text(name string) string {
	if found := f.find(name); len(found) > 0 {
		return found[0].Show
	}
	return ""
}

// texts returns what tshark shows of every field called name.
func (f *field) texts(name string) []string {
	var out []string
	for _, x := range f.find(name) {
		out = append(out, x.Show)
	}
	return out
}

// number returns the first field called name as a number, or 0. Flags are
// shown as 0 and 1 or, since Wireshark 4.2, as False and True.
func (f *field) number(name string) uint64 {
	switch s := f.text(name); s {
	case "", "False":
		return 0
	case "True":
		return 1
	default:
		n, _ := strconv.ParseUint(s, 0, 64)
		return n
	}
}

// word returns the first word of a label such as "Type: AAAA (IPv6 Address)
// (28)" after its colon.
func (f *field) word(name string) string {
	found := f.find(name)
	if len(found) == 0 {
		return ""
	}
	_, after, _ := strings.Cut(found[0].Label, ": ")
	word, _, _ := strings.Cut(after, " ")
	return word
}
