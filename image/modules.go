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
	info modinfo
}

// modules returns the wanted modules and everything they depend on, in an
// order that can be loaded one by one.
func (k kernel) modules(wanted []string) ([]module, error) {
	read, err := k.reader()
	if err != nil {
		return nil, err
	}
	return orderModules(wanted, read)
}

// reader returns a function that reads a module by its name.
func (k kernel) reader() (func(name string) ([]byte, error), error) {
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
	return func(name string) ([]byte, error) {
		path, ok := paths[name]
		if !ok {
			return nil, fmt.Errorf("kernel %s has none of that name", k.release)
		}
		return os.ReadFile(path)
	}, nil
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
		info, err := parseModinfo(data)
		if err != nil {
			return fmt.Errorf("module %q: %w", name, err)
		}
		for _, d := range info.depends {
			if err := add(d, append(path, name)); err != nil {
				return err
			}
		}
		done = append(done, module{name: name, data: data, info: info})
		return nil
	}
	for _, name := range wanted {
		if err := add(moduleName(name), nil); err != nil {
			return nil, err
		}
	}
	return done, nil
}

// A modinfo is what a module says of itself.
type modinfo struct {
	depends []string // modules that must be loaded before
	pre     []string // modules that should be, where they exist
	aliases []string // patterns of the devices it drives
}

// parseModinfo reads a module's section .modinfo, a list of NUL-ended key=value
// strings (include/linux/module.h).
func parseModinfo(ko []byte) (modinfo, error) {
	var info modinfo
	f, err := elf.NewFile(bytes.NewReader(ko))
	if err != nil {
		return info, err
	}
	s := f.Section(".modinfo")
	if s == nil {
		return info, fmt.Errorf("no section .modinfo")
	}
	text, err := s.Data()
	if err != nil {
		return info, err
	}
	for entry := range bytes.SplitSeq(text, []byte{0}) {
		key, value, _ := strings.Cut(string(entry), "=")
		switch key {
		case "depends":
			for name := range strings.SplitSeq(value, ",") {
				if name != "" {
					info.depends = append(info.depends, moduleName(name))
				}
			}
		case "softdep":
			info.pre = append(info.pre, softdeps(value)...)
		case "alias":
			info.aliases = append(info.aliases, value)
		}
	}
	return info, nil
}

// softdeps returns the modules that a softdep line, such as "pre: realtek post:
// b", wants before.
func softdeps(line string) (pre []string) {
	before := false
	for _, word := range strings.Fields(line) {
		switch word {
		case "pre:", "post:":
			before = word == "pre:"
		default:
			if before {
				pre = append(pre, moduleName(word))
			}
		}
	}
	return pre
}
