package bpf_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	netbpf "golang.org/x/net/bpf"

	"github.com/taproot-sensor/taproot/internal/bpf"
)

// filters are all forms of the language that there are.
var filters = []string{
	"ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp", "icmp", "icmp6", "igmp", "esp",
	"host 192.0.2.10", "src host 192.0.2.10", "dst 192.0.2.10", "src and dst host 127.0.0.1", "src or dst host 10.0.0.1",
	"ip host 192.0.2.10", "arp host 192.0.2.10", "host 2001:db8::10", "ip6 src host 2001:db8::10", "host ::1",
	"net 192.0.2.0/24", "net 10", "net 192.168", "src net 10.0.0.0/9", "dst net 2001:db8::/32", "net 10.1.2.3", "net fe80::/10", "ip6 net 2001:db8:0:0::/49",
	"port 53", "tcp port 80", "udp dst port 53", "src port 443", "portrange 1024-65535", "tcp src portrange 20-100", "ip6 and port 53", "port domain", "sctp port 38412",
	"tcp port http or https or 8080", "host 192.0.2.10 or 192.0.2.20", "not host 192.0.2.10 and 192.0.2.20",
	"not arp", "! ip6", "not tcp and not udp", "!(tcp or udp)", "not port 53 and not port 80",
	"tcp and port 80 or udp and port 53", "udp or tcp and port 80", "(host 192.0.2.10 && tcp) || icmp", "ip and (port 80 or port 443) and not net 10.0.0.0/8",
	"proto 47", "ip proto 6", "ip6 proto 58", "ip proto \\udp", "ether proto 0x88cc", "ether proto \\arp", "ip proto gre",
	"less 100", "greater 1000", "broadcast", "multicast", "ether host 02:00:00:00:00:0a", "ether src 02:00:00:00:00:14", "ether dst 33:33:00:00:00:16",
}

// frames returns the Ethernet frames of classic captures: our own and, where
// they are, real ones.
func frames(t testing.TB) (all []bpf.Frame) {
	t.Helper()
	paths, err := filepath.Glob("../../testdata/captures/*.pcap")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no captures: %v", err)
	}
	for _, dir := range []string{"arkime", "chrissanders", "tcpdump"} {
		real, _ := filepath.Glob("../../../shared/pcaps/" + dir + "/*.pcap")
		paths = append(paths, real...)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var order binary.ByteOrder = binary.LittleEndian
		if len(b) > 24 && b[0] == 0xa1 {
			order = binary.BigEndian
		}
		if len(b) < 24 || order.Uint32(b)&^0xff00 != 0xa1b200d4&^0xff00 && order.Uint32(b) != 0xa1b23c4d || order.Uint32(b[20:]) != 1 {
			continue
		}
		for b = b[24:]; len(b) >= 16; {
			size := int(order.Uint32(b[8:]))
			if 16+size > len(b) {
				break
			}
			all = append(all, bpf.Frame{Data: b[16 : 16+size], WireLen: order.Uint32(b[12:])})
			b = b[16+size:]
		}
	}
	return all
}

// tagged reports whether a frame has a VLAN tag, through which a program of
// tcpdump looks only after the word vlan.
func tagged(f *bpf.Frame) bool {
	typ := binary.BigEndian.Uint16(f.Data[12:])
	return typ == 0x8100 || typ == 0x88a8 || typ == 0x9100
}

// tcpdump returns the program that tcpdump makes of a filter.
func tcpdump(t *testing.T, text string) *netbpf.VM {
	t.Helper()
	cmd := exec.Command("tcpdump", "-ddd", "-y", "EN10MB", text)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tcpdump %q: %v", text, err)
	}
	var raw []netbpf.RawInstruction
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n")[1:] {
		var i netbpf.RawInstruction
		if _, err := fmt.Sscan(line, &i.Op, &i.Jt, &i.Jf, &i.K); err != nil {
			t.Fatal(err)
		}
		raw = append(raw, i)
	}
	code, ok := netbpf.Disassemble(raw)
	vm, err := netbpf.NewVM(code)
	if err != nil || !ok {
		t.Fatalf("tcpdump %q: %v", text, err)
	}
	return vm
}

// TestFiltersAgreeWithTcpdump gives real frames to our programs and to those
// of tcpdump.
func TestFiltersAgreeWithTcpdump(t *testing.T) {
	if _, err := exec.LookPath("tcpdump"); err != nil {
		t.Skip("tcpdump is not installed; scripts/install-deps test installs it")
	}
	all := frames(t)
	for _, text := range filters {
		p, err := bpf.Compile(text)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		vm := tcpdump(t, text)
		matched := 0
		for i := range all {
			f := &all[i]
			if len(f.Data) < 14 || tagged(f) {
				continue // no Ethernet, or see TestVLAN
			}
			n, err := vm.Run(f.Data)
			if err != nil {
				t.Fatal(err)
			}
			// The virtual machine has no length on the wire.
			short := bpf.Frame{Data: f.Data, WireLen: uint32(len(f.Data))}
			got := p.Match(&short)
			if got {
				matched++
			}
			if got != (n > 0) {
				t.Errorf("%q: got %t, tcpdump %t for frame %x", text, got, n > 0, f.Data[:min(len(f.Data), 80)])
				break
			}
		}
		t.Logf("%-60q %3d instructions, %5d of %d frames", text, len(p), matched, len(all))
	}
}

// frame returns a datagram from 10.0.0.1:1000 to 10.0.0.2:53 behind tags.
func frame(tags ...uint32) []byte {
	b := make([]byte, 12)
	for _, tag := range tags {
		b = binary.BigEndian.AppendUint32(b, tag)
	}
	b = append(b, 8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2)
	return append(b, 3, 0xe8, 0, 53, 0, 8, 0, 0)
}

// TestVLAN looks through tags, in the frame or taken off by the port.
func TestVLAN(t *testing.T) {
	plain := bpf.Frame{Data: frame()}
	off := bpf.Frame{Data: frame(), Tagged: true, VLAN: 0x600a}
	in := bpf.Frame{Data: frame(0x8100_600a)}
	both := bpf.Frame{Data: frame(0x88a8_0014, 0x8100_000a)}
	offAndIn := bpf.Frame{Data: frame(0x8100_0014), Tagged: true, VLAN: 10}
	for _, tt := range []struct {
		text string
		want [5]bool
	}{
		{"vlan", [5]bool{false, true, true, true, true}},
		{"vlan 10", [5]bool{false, true, true, true, true}},
		{"vlan 20", [5]bool{false, false, false, true, true}},
		{"vlan 0x14 and host 10.0.0.2", [5]bool{false, false, false, true, true}},
		{"udp port 53", [5]bool{true, true, true, true, true}},
		{"not udp", [5]bool{}},
		{"not vlan 20 and src 10.0.0.1", [5]bool{true, true, true, false, false}},
	} {
		p, err := bpf.Compile(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range []*bpf.Frame{&plain, &off, &in, &both, &offAndIn} {
			if got := p.Match(f); got != tt.want[i] {
				t.Errorf("%q on frame %d: got %t", tt.text, i, got)
			}
		}
	}
}

func TestCompileErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"host example.org", "names are not looked up"},
		{"port 99999", "0 to 65535"},
		{"tcp and (port 80", `")" is missing`},
		{"frobnicate", `"frobnicate" is not understood`},
		{"tcp 5", `"5"`},
		{"net 10.0.0.1/8", "want 10.0.0.0/8"},
		{"and", "not understood"},
		{"tcp or", "not understood"},
		{"arp port 5", "has no ports"},
		{"ip6 host 10.0.0.1", "no addresses such as"},
		{"not", "not understood"},
		{strings.Repeat("(", 50) + "ip", "too many parentheses"},
		{"port 1" + strings.Repeat(" or port 1", 20), "at most 250"},
		{strings.Repeat("ip or ", 200) + "ip", "at most 512"},
	} {
		if _, err := bpf.Compile(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %q", tt.text, err, tt.want)
		}
	}
}

func TestProgramText(t *testing.T) {
	p, err := bpf.Compile("tcp port 443")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := p.MarshalText()
	var again bpf.Program
	if err := again.UnmarshalText(text); err != nil || fmt.Sprint(again) != fmt.Sprint(p) {
		t.Errorf("%v: %v", err, again)
	}
	for _, bad := range []string{"00", "!!", strings.Repeat("A", 4*8*84)} {
		if err := again.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%.20q was taken", bad)
		}
	}
}

// FuzzCompile has text that somebody typed; what compiles ends on any frame.
func FuzzCompile(f *testing.F) {
	for _, text := range filters {
		f.Add(text, frame(0x8100_000a))
	}
	f.Fuzz(func(t *testing.T, text string, data []byte) {
		p, err := bpf.Compile(text)
		if err != nil {
			return
		}
		p.Match(&bpf.Frame{Data: data, WireLen: uint32(len(data))})
		if len(p) > bpf.MaxProgram {
			t.Errorf("%q: %d instructions", text, len(p))
		}
	})
}

// FuzzMatch runs programs that nobody checked.
func FuzzMatch(f *testing.F) {
	f.Add([]byte("ACgAAAAAAAwABgAAAAAA/w=="), frame())
	f.Fuzz(func(t *testing.T, text, data []byte) {
		var p bpf.Program
		if p.UnmarshalText(text) == nil {
			p.Match(&bpf.Frame{Data: data})
		}
	})
}
