package slots

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// EFIVars are the firmware's variables, as the file system efivarfs shows them
// (Documentation/filesystems/efivarfs.rst of Linux): a file for each, with four
// bytes of attributes before the value.
type EFIVars struct{ Dir string }

// efiVarsDir is where efivarfs is mounted.
const efiVarsDir = "/sys/firmware/efi/efivars"

// kept are the attributes of what outlives a power cut and can be had at boot
// and at run time (UEFI 2.10, section 8.2).
const kept = 1 | 2 | 4

// immutable is the flag that keeps files of efivarfs from being removed by
// mistake (include/uapi/linux/fs.h).
const immutable = 0x10

// Get implements Vars.
func (v EFIVars) Get(name string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(v.Dir, name))
	if err != nil {
		return nil, err
	}
	if len(b) < 4 {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("no attributes")}
	}
	return b[4:], nil
}

// Set implements Vars. The kernel takes a variable in one write.
func (v EFIVars) Set(name string, data []byte) error {
	if err := v.unlock(name); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(v.Dir, name), os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append([]byte{kept, 0, 0, 0}, data...))
	return errors.Join(err, f.Close())
}

// Delete implements Vars.
func (v EFIVars) Delete(name string) error {
	if err := v.unlock(name); err != nil {
		return err
	}
	return os.Remove(filepath.Join(v.Dir, name))
}

// Names implements Vars.
func (v EFIVars) Names() ([]string, error) {
	entries, err := os.ReadDir(v.Dir)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

// unlock makes a variable that is there changeable.
func (v EFIVars) unlock(name string) error {
	f, err := os.Open(filepath.Join(v.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err != nil || flags&immutable == 0 {
		return err
	}
	return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags&^immutable)
}
