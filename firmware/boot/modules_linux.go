package boot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// LoadModules loads the image's modules, in the order of their names, and gives
// the memory that their files took back. A module that does not load is an
// error of its own: the sensor runs on with what it has. ENODEV is not one: the
// module serves something that this machine was started without, as efivarfs
// does where there is no UEFI.
func LoadModules() error {
	dir := filepath.Join("/", modulesDir)
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("loading modules: %w", err)
	}
	var errs []error
	for _, f := range files {
		if err := loadModule(filepath.Join(dir, f.Name())); err != nil {
			errs = append(errs, fmt.Errorf("loading module %q: %w", f.Name(), err))
		}
	}
	return errors.Join(append(errs, os.RemoveAll(dir))...)
}

// OpenDrivers returns the image's drivers, and a function that gives the memory
// that their files take back once no more are wanted.
func OpenDrivers() (d *Drivers, free func() error, err error) {
	dir := filepath.Join("/", driversDir)
	d, err = NewDrivers(os.DirFS("/"), func(name string) error { return loadModule(filepath.Join(dir, name+".ko")) })
	return d, func() error { return os.RemoveAll(dir) }, err
}

// moduleParameters are what modules are told. A watchdog that is armed stays so
// when the machine is rebooted: a system on trial that hangs early has nobody
// else to end it.
var moduleParameters = map[string]string{"watchdog": "stop_on_reboot=0"}

func loadModule(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	name := strings.TrimLeft(strings.TrimSuffix(filepath.Base(path), ".ko"), "0123456789-")
	err = unix.FinitModule(int(f.Fd()), moduleParameters[name], 0)
	if errors.Is(err, unix.EEXIST) || errors.Is(err, unix.ENODEV) {
		return nil
	}
	return err
}
