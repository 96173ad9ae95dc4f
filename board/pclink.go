package board

// pcLink is a PC between the two outputs of a passive tap: each brings one
// direction of a link, on a port of its own.
var pcLink = linked(pc)

func linked(b Board) Board {
	b.Name, b.Summary = "pc-link", "any 64-bit PC with three Ethernet adapters, two for both directions of a link"
	b.Ports = []Port{
		{Name: "eth0", Role: Uplink},
		{Name: "eth1", Role: Tap},
		{Name: "eth2", Role: Tap},
	}
	b.Needs = append([]string{
		"three Ethernet adapters: the first in the order of PCI addresses is the uplink, the others the tap ports; USB adapters come after PCI",
		"256 MB of RAM; 192 MB for each processor that shall take part",
	}, b.Needs[2:]...)
	b.Proven = "in QEMU with two processors and virtio adapters, its kernel handed to QEMU; all else as pc"
	q := *b.QEMU
	q.Args = append([]string{"-smp", "2"}, q.Args...)
	q.Memory = 384
	q.NICs = []string{"virtio-net-pci,addr=02.0,romfile=", "virtio-net-pci,addr=03.0,romfile=", "virtio-net-pci,addr=07.0,romfile="}
	b.QEMU = &q
	return b
}
