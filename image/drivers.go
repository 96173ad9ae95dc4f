package image

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// phyLibrary is the module that drivers of Ethernet adapters with a PHY of their
// own depend on. Which PHY driver they need, they ask /sbin/modprobe for, which
// a sensor has not; so such a driver gets all of them before it.
const phyLibrary = "libphy"

// drivers returns modules that are loaded for devices, with all they depend on,
// and the index by which init finds the one for a device. always are in the
// image anyway.
func (k kernel) drivers(wanted []string, always []module) (mods []module, index []byte, err error) {
	if len(wanted) == 0 {
		return nil, nil, nil
	}
	read, err := k.reader()
	if err != nil {
		return nil, nil, err
	}
	all, err := orderModules(wanted, read)
	if err != nil {
		return nil, nil, err
	}
	there := func(name string) bool { return slices.ContainsFunc(all, func(m module) bool { return m.name == name }) }
	var phys []string
	for _, m := range all {
		if slices.ContainsFunc(m.info.aliases, func(a string) bool { return strings.HasPrefix(a, "mdio:") }) {
			phys = append(phys, m.name)
		}
	}
	var b bytes.Buffer
	for _, m := range all {
		needs := slices.Clone(m.info.depends)
		for _, name := range m.info.pre {
			if there(name) {
				needs = append(needs, name)
			}
		}
		if slices.Contains(m.info.depends, phyLibrary) && !slices.Contains(phys, m.name) && m.name != "mdio_devres" {
			needs = append(needs, phys...)
		}
		fmt.Fprintf(&b, "module %s %s\n", m.name, strings.Join(needs, " "))
		for _, a := range m.info.aliases {
			if strings.Contains(a, ":") && !strings.ContainsAny(a, " \n") {
				fmt.Fprintf(&b, "alias %s %s\n", a, m.name)
			}
		}
		if !slices.ContainsFunc(always, func(a module) bool { return a.name == m.name }) {
			mods = append(mods, m)
		}
	}
	return mods, b.Bytes(), nil
}
