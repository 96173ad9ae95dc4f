package boot

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Drivers are the modules of an image that are loaded where the machine has a
// device for them. Linux says what devices there are by their modaliases, and
// each module has patterns of those it drives; docs/format/image.md has the
// index of both.
//
// Drivers are for one goroutine.
type Drivers struct {
	load func(name string) error

	needs   map[string][]string  // modules to load before one, by name
	aliases map[string][]pattern // by what of the pattern is before its first wildcard
	longest int                  // of the keys of aliases

	loaded map[string]bool
	seen   map[string]bool // devices that were looked at
}

type pattern struct{ glob, module string }

// NewDrivers reads the index in an image's root. An image without one has no
// such drivers. load loads one module by name.
func NewDrivers(root fs.FS, load func(name string) error) (*Drivers, error) {
	d := &Drivers{
		load: load, needs: map[string][]string{}, aliases: map[string][]pattern{},
		loaded: map[string]bool{}, seen: map[string]bool{},
	}
	index, err := fs.ReadFile(root, driversDir+"/index")
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading drivers: %w", err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(index)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		switch {
		case len(words) >= 2 && words[0] == "module":
			d.needs[words[1]] = words[2:]
		case len(words) == 3 && words[0] == "alias":
			key, _, _ := strings.Cut(words[1], "*")
			if i := strings.IndexAny(key, `?[\`); i >= 0 {
				key = key[:i]
			}
			d.aliases[key] = append(d.aliases[key], pattern{words[1], words[2]})
			d.longest = max(d.longest, len(key))
		default:
			return nil, fmt.Errorf("reading drivers: index line %q", lines.Text())
		}
	}
	return d, nil
}

// Has reports whether the image has a driver of that name.
func (d *Drivers) Has(name string) bool { _, ok := d.needs[name]; return ok }

// Settle loads the drivers of all devices in sys, which is /sys, and of those
// that appear with them.
func (d *Drivers) Settle(sys fs.FS) error {
	var errs []error
	for len(d.needs) > 0 {
		wanted, err := d.wanted(sys)
		if err != nil {
			return err
		}
		if len(wanted) == 0 {
			break
		}
		for _, name := range wanted {
			errs = append(errs, d.Load(name))
		}
	}
	return errors.Join(errs...)
}

// wanted returns the modules for devices that were not looked at before.
func (d *Drivers) wanted(sys fs.FS) (modules []string, err error) {
	buses, err := fs.ReadDir(sys, "bus")
	if err != nil {
		return nil, fmt.Errorf("looking for devices: %w", err)
	}
	for _, bus := range buses {
		dir := "bus/" + bus.Name() + "/devices"
		devices, err := fs.ReadDir(sys, dir)
		if err != nil {
			continue // a file, or a bus that is just going
		}
		for _, device := range devices {
			at := dir + "/" + device.Name()
			if d.seen[at] {
				continue
			}
			d.seen[at] = true
			alias, err := fs.ReadFile(sys, at+"/modalias")
			if err != nil {
				continue // has none, or is just going
			}
			for _, m := range d.match(strings.TrimSpace(string(alias))) {
				if !d.loaded[m] && !slices.Contains(modules, m) {
					modules = append(modules, m)
				}
			}
		}
	}
	return modules, nil
}

// match returns the modules whose patterns a modalias fits.
func (d *Drivers) match(alias string) (modules []string) {
	for n := 0; n <= min(len(alias), d.longest); n++ {
		for _, p := range d.aliases[alias[:n]] {
			if ok, err := path.Match(p.glob, alias); err == nil && ok {
				modules = append(modules, p.module)
			}
		}
	}
	return modules
}

// Load loads a driver after those it needs, once.
func (d *Drivers) Load(name string) error {
	if d.loaded[name] {
		return nil
	}
	d.loaded[name] = true // first, so that a circle ends
	needs, ok := d.needs[name]
	if !ok {
		return nil // one of those that are always loaded
	}
	var errs []error
	for _, n := range needs {
		errs = append(errs, d.Load(n))
	}
	if err := d.load(name); err != nil {
		errs = append(errs, fmt.Errorf("loading driver %q: %w", name, err))
	}
	return errors.Join(errs...)
}
