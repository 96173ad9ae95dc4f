package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// testModule returns an ELF file with a section .modinfo, as small as one can be.
func testModule(t testing.TB, modinfo string) []byte {
	t.Helper()
	names := "\x00.modinfo\x00.shstrtab\x00"
	const head, sectionHead = 64, 64
	dataAt, namesAt := head, head+len(modinfo)
	tableAt := namesAt + len(names)
	var b bytes.Buffer
	write := func(v any) {
		if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
			t.Fatal(err)
		}
	}
	h := elf.Header64{Type: uint16(elf.ET_REL), Machine: uint16(elf.EM_X86_64), Version: 1, Shoff: uint64(tableAt),
		Ehsize: head, Shentsize: sectionHead, Shnum: 3, Shstrndx: 2}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	write(h)
	b.WriteString(modinfo + names)
	write(elf.Section64{})
	write(elf.Section64{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: uint64(dataAt), Size: uint64(len(modinfo))})
	write(elf.Section64{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: uint64(namesAt), Size: uint64(len(names))})
	return b.Bytes()
}

func TestOrderModules(t *testing.T) {
	files := map[string]string{
		"virtio_net":   "license=GPL\x00depends=virtio,net-failover\x00",
		"net_failover": "depends=failover\x00",
		"failover":     "depends=\x00",
		"virtio":       "name=virtio\x00",
		"a":            "depends=b\x00",
		"b":            "depends=a\x00",
	}
	read := func(name string) ([]byte, error) {
		if info, ok := files[name]; ok {
			return testModule(t, info), nil
		}
		return nil, errors.New("kernel 6.1 has none of that name")
	}
	tests := []struct {
		name   string
		wanted []string
		want   []string
		err    string
	}{
		{"dependencies first", []string{"virtio-net"}, []string{"virtio", "failover", "net_failover", "virtio_net"}, ""},
		{"once", []string{"virtio", "virtio_net", "virtio"}, []string{"virtio", "failover", "net_failover", "virtio_net"}, ""},
		{"unknown", []string{"virtio", "wifi"}, nil, `module "wifi": kernel 6.1 has none`},
		{"circle", []string{"a"}, nil, `module "a" depends on itself through a, b`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			mods, err := orderModules(tt.wanted, read)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got error %v, want %q", err, tt.err)
				}
				return
			}
			var got []string
			for _, m := range mods {
				got = append(got, m.name)
			}
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestParseModinfo(t *testing.T) {
	got, err := parseModinfo(testModule(t, "license=GPL\x00depends=virtio,net-failover\x00softdep=pre: realtek-phy post: b\x00"+
		"alias=pci:v00001AF4d*\x00alias=a=b\x00"))
	want := modinfo{
		depends: []string{"virtio", "net_failover"}, pre: []string{"realtek_phy"},
		aliases: []string{"pci:v00001AF4d*", "a=b"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
}

func FuzzParseModinfo(f *testing.F) {
	f.Add(testModule(f, "depends=virtio,net-failover\x00softdep=pre: a post: b\x00"))
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, ko []byte) {
		info, err := parseModinfo(ko)
		if err != nil && !reflect.DeepEqual(info, modinfo{}) {
			t.Errorf("got %+v beside error %v", info, err)
		}
	})
}
