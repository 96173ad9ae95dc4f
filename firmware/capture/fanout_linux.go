package capture

import (
	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/internal/bpf"
)

// Where a classic BPF program finds things that are not at an offset in the
// frame (linux/filter.h): in a fanout group the frame may begin with or without
// its link header.
const (
	netOffset  = 0xfff00000 // SKF_NET_OFF: the network header, or a VLAN tag that the port left in the frame
	adProtocol = 0xfffff000 // SKF_AD_OFF + SKF_AD_PROTOCOL: the EtherType before it
)

// pairHash is the program of a fanout group: it returns a number that depends
// on the two addresses of a packet alone, whichever sent it, and 0 for what has
// none. The kernel takes it modulo the sockets. Its own hash of flows would put
// the fragments of a flow, and what a tunnel carries, elsewhere than the rest.
var pairHash = makePairHash()

const (
	bpfLoad     = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	bpfLoadHalf = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
	bpfEqual    = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	bpfReturn   = unix.BPF_RET | unix.BPF_K
)

func makePairHash() (code bpf.Program) {
	const maxTags = 2 // that the port left in the frame
	for tags := range uint32(maxTags + 1) {
		header := netOffset + 4*tags
		if tags == 0 {
			code = append(code, bpf.Instruction{Code: bpfLoad, K: adProtocol})
		} else {
			code = append(code, bpf.Instruction{Code: bpfLoadHalf, K: header - 2})
		}
		for _, p := range []struct{ etherType, at, words uint32 }{{unix.ETH_P_IP, 12, 2}, {unix.ETH_P_IPV6, 8, 8}} {
			sum := sumWords(header+p.at, p.words)
			code = append(code, bpf.Instruction{Code: bpfEqual, K: p.etherType, Jf: uint8(len(sum))})
			code = append(code, sum...)
		}
		code = append(code,
			bpf.Instruction{Code: bpfEqual, K: unix.ETH_P_8021Q, Jt: 2},
			bpf.Instruction{Code: bpfEqual, K: unix.ETH_P_8021AD, Jt: 1},
			bpf.Instruction{Code: bpfReturn})
	}
	return append(code, bpf.Instruction{Code: bpfReturn})
}

// sumWords returns the hash of n words from at on, whatever their order.
func sumWords(at, n uint32) bpf.Program {
	const spread = 0x9e3779b1 // Fibonacci hashing: the upper bits are mixed
	code := bpf.Program{{Code: bpfLoad, K: at}}
	for i := uint32(1); i < n; i++ {
		code = append(code,
			bpf.Instruction{Code: unix.BPF_MISC | unix.BPF_TAX},
			bpf.Instruction{Code: bpfLoad, K: at + 4*i},
			bpf.Instruction{Code: unix.BPF_ALU | unix.BPF_ADD | unix.BPF_X})
	}
	return append(code,
		bpf.Instruction{Code: unix.BPF_ALU | unix.BPF_MUL | unix.BPF_K, K: spread},
		bpf.Instruction{Code: unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K, K: 16},
		bpf.Instruction{Code: unix.BPF_RET | unix.BPF_A})
}
