package boot

import (
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

// NamePorts gives the board's ports their names, with rename, and returns the
// ports that the machine does not have. sys is /sys.
func NamePorts(sys fs.FS, ports []board.Port, rename func(from, to string) error) (missing []board.Port, err error) {
	deadline := time.Now().Add(portPatience)
	for {
		found, taken, err := findPorts(sys, ports)
		if err != nil {
			return nil, fmt.Errorf("naming ports: %w", err)
		}
		if len(found) == len(ports) || time.Now().After(deadline) {
			missing = slices.DeleteFunc(slices.Clone(ports), func(p board.Port) bool { return found[p] != "" })
			return missing, renamePorts(found, taken, rename)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// findPorts returns the present name of each port that is there, and all names
// that are taken.
func findPorts(sys fs.FS, ports []board.Port) (found map[board.Port]string, taken []string, err error) {
	entries, err := fs.ReadDir(sys, "class/net")
	if err != nil {
		return nil, nil, err
	}
	found = map[board.Port]string{}
	for _, e := range entries {
		taken = append(taken, e.Name())
		// A link such as ../../devices/pci0000:00/0000:00:02.0/virtio1/net/eth0;
		// not one for names that are no interface.
		path, err := fs.ReadLink(sys, "class/net/"+e.Name())
		if err != nil {
			continue
		}
		for _, p := range ports {
			if slices.Contains(strings.Split(path, "/"), p.Device) {
				found[p] = e.Name()
			}
		}
	}
	return found, taken, nil
}

// renamePorts goes through names of its own where ports have each other's.
func renamePorts(found map[board.Port]string, taken []string, rename func(from, to string) error) error {
	for p, name := range found {
		if name != p.Name && slices.Contains(taken, p.Name) {
			aside := "was-" + name
			if err := rename(name, aside); err != nil {
				return fmt.Errorf("naming port %q: %w", p.Name, err)
			}
			found[p] = aside
		}
	}
	for p, name := range found {
		if name == p.Name {
			continue
		}
		if err := rename(name, p.Name); err != nil {
			return fmt.Errorf("naming port %q: %w", p.Name, err)
		}
	}
	return nil
}
