package boot

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/taproot-sensor/taproot/board"
)

// portPatience is how long a port may take to appear after its module is
// loaded; drivers of USB adapters and multi-port cards take a second or two.
const portPatience = 5 * time.Second

// usbPatience is how long a port that is not named by its device must have been
// the last to appear, if it hangs off USB: adapters come in any order.
const usbPatience = 1500 * time.Millisecond

// NamePorts gives the board's ports their names, with rename, and returns the
// ports that the machine does not have. sys is /sys; settle is called while
// ports are waited for, and loads drivers.
func NamePorts(sys fs.FS, ports []board.Port, settle func(), rename func(from, to string) error) (missing []board.Port, err error) {
	deadline, last, since := time.Now().Add(portPatience), -1, time.Now()
	for {
		settle()
		there, err := readInterfaces(sys)
		if err != nil {
			return nil, fmt.Errorf("naming ports: %w", err)
		}
		if len(there) != last {
			last, since = len(there), time.Now()
		}
		found := findPorts(there, ports)
		late := time.Now().After(deadline)
		if late || len(found) == len(ports) && (!anyOnUSB(found, ports) || time.Since(since) >= usbPatience) {
			missing = slices.DeleteFunc(slices.Clone(ports), func(p board.Port) bool { _, ok := found[p]; return ok })
			return missing, renamePorts(found, there, rename)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// A netInterface is one entry of /sys/class/net.
type netInterface struct {
	name string
	path string // of its device, such as ../../devices/pci0000:00/0000:00:02.0/virtio1/net/eth0; "" if it is none
	wire bool   // Ethernet on a cable
}

func (i netInterface) usb() bool { return strings.Contains(i.path, "/usb") }

// readInterfaces returns what interfaces there are, in the order of bus paths:
// PCI and the processor's own before USB.
func readInterfaces(sys fs.FS) ([]netInterface, error) {
	entries, err := fs.ReadDir(sys, "class/net")
	if err != nil {
		return nil, err
	}
	var all []netInterface
	for _, e := range entries {
		dir := "class/net/" + e.Name()
		i := netInterface{name: e.Name()}
		// Not a link for names that are no interface.
		if i.path, err = fs.ReadLink(sys, dir); err == nil {
			const ethernet = "1" // ARPHRD_ETHER of include/uapi/linux/if_arp.h
			kind, _ := fs.ReadFile(sys, dir+"/type")
			_, radio := fs.Stat(sys, dir+"/phy80211")
			i.wire = strings.TrimSpace(string(kind)) == ethernet && radio != nil && !strings.Contains(i.path, "/virtual/")
		}
		all = append(all, i)
	}
	slices.SortStableFunc(all, func(a, b netInterface) int {
		if a.usb() != b.usb() {
			if a.usb() {
				return 1
			}
			return -1
		}
		return strings.Compare(a.path, b.path)
	})
	return all, nil
}

// findPorts returns the interface of each port that is there. Ports that are
// known by their order are there together or not at all: with one adapter
// missing, which may be broken, the next would be taken for it, and what was a
// tap port would speak.
func findPorts(there []netInterface, ports []board.Port) map[board.Port]netInterface {
	found := map[board.Port]netInterface{}
	free := slices.DeleteFunc(slices.Clone(there), func(i netInterface) bool { return !i.wire })
	var ordered []board.Port
	for _, p := range ports {
		if p.Device == "" {
			ordered = append(ordered, p)
			continue
		}
		for _, i := range there {
			if slices.Contains(strings.Split(i.path, "/"), p.Device) {
				found[p] = i
				free = slices.DeleteFunc(free, func(f netInterface) bool { return f.name == i.name })
			}
		}
	}
	if len(free) >= len(ordered) {
		for n, p := range ordered {
			found[p] = free[n]
		}
	}
	return found
}

// anyOnUSB reports whether a port that is known by its order hangs off USB.
func anyOnUSB(found map[board.Port]netInterface, ports []board.Port) bool {
	return slices.ContainsFunc(ports, func(p board.Port) bool { return p.Device == "" && found[p].usb() })
}

// renamePorts goes through names of its own where ports have each other's.
func renamePorts(found map[board.Port]netInterface, there []netInterface, rename func(from, to string) error) error {
	// Names that are wanted and that other interfaces have are freed first.
	now := map[string]string{} // by the name that the kernel gave
	aside := func(name string) error {
		now[name] = "was-" + name
		return rename(name, now[name])
	}
	wanted := func(name string) bool {
		for p, i := range found {
			if p.Name == name && i.name != name {
				return true
			}
		}
		return false
	}
	for _, i := range there {
		if wanted(i.name) {
			if err := aside(i.name); err != nil {
				return fmt.Errorf("naming port %q: %w", i.name, err)
			}
		}
	}
	for p, i := range found {
		name := cmp.Or(now[i.name], i.name)
		if name == p.Name {
			continue
		}
		if err := rename(name, p.Name); err != nil {
			return fmt.Errorf("naming port %q: %w", p.Name, err)
		}
	}
	return nil
}
