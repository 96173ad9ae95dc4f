package image

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A module is one kernel module as it goes into an image.
type module struct {
	name string
	data []byte
}

// modules returns the wanted modules and everything they depend on, in an
// order that can be loaded one by one.
func (k kernel) modules(wanted []string) ([]module, error) {
	paths := map[string]string{}
	root := filepath.Join(k.dir, "lib", "modules", k.release)
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if name, ok := strings.CutSuffix(filepath.Base(path), ".ko"); ok {
			paths[moduleName(name)] = path
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listing modules: %w", err)
	}
	return orderModules(wanted, func(name string) ([]byte, error) {
		path, ok := paths[name]
		if !ok {
			return nil, fmt.Errorf("kernel %s has none of that name", k.release)
		}
		return os.ReadFile(path)
	})
}

// moduleName returns name as the kernel spells it: a file virtio-rng.ko holds the
// module virtio_rng.
func moduleName(name string) string { return strings.ReplaceAll(name, "-", "_") }

// orderModules reads the wanted modules and, before each, those it depends on.
func orderModules(wanted []string, read func(name string) ([]byte, error)) ([]module, error) {
	var done []module
	var add func(name string, path []string) error
	add = func(name string, path []string) error {
		if slices.ContainsFunc(done, func(m module) bool { return m.name == name }) {
			return nil
		}
		if slices.Contains(path, name) {
			return fmt.Errorf("module %q depends on itself through %s", name, strings.Join(path, ", "))
		}
		data, err := read(name)
		if err != nil {
			return fmt.Errorf("module %q: %w", name, err)
		}
		depends, err := parseDepends(data)
		if err != nil {
			return fmt.Errorf("module %q: %w", name, err)
		}
		for _, d := range depends {
			if err := add(d, append(path, name)); err != nil {
				return err
			}
		}
		done = append(done, module{name: name, data: data})
		return nil
	}
	for _, name := range wanted {
		if err := add(moduleName(name), nil); err != nil {
			return nil, err
		}
	}
	return done, nil
}

// parseDepends returns the names of the modules that a module depends on: the
// depends= entry of its section .modinfo, a list of NUL-ended key=value strings
// (include/linux/module.h).
func parseDepends(ko []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(ko))
	if err != nil {
		return nil, err
	}
	s := f.Section(".modinfo")
	if s == nil {
		return nil, fmt.Errorf("no section .modinfo")
	}
	info, err := s.Data()
	if err != nil {
		return nil, err
	}
	for entry := range bytes.SplitSeq(info, []byte{0}) {
		list, ok := strings.CutPrefix(string(entry), "depends=")
		if !ok || list == "" {
			continue
		}
		names := strings.Split(list, ",")
		for i, n := range names {
			names[i] = moduleName(n)
		}
		return names, nil
	}
	return nil, nil
}
