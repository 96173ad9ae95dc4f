// Package durable writes files that are there, whole, after power loss:
// temporary file, sync, rename, sync of the directory.
//
// It trusts the disk to keep what fsync returned for, and no more: what was
// written but not synced may be gone, cut or zero.
package durable

import (
	"fmt"
	"os"
	"path/filepath"
)

// TempSuffix ends the name of a file that is not finished. A crash may leave
// such files behind; nobody reads them.
const TempSuffix = ".tmp"

// WriteFile makes data the whole content of the file at path, or leaves what
// was there. After it returns nil the content survives power loss.
func WriteFile(path string, data []byte, perm os.FileMode) error {
	tmp := path + TempSuffix
	if err := writeSynced(tmp, data, perm); err != nil {
		os.Remove(tmp)
		return err
	}
	return Rename(tmp, path)
}

func writeSynced(path string, data []byte, perm os.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// Rename renames a file that is already synced and syncs the directory of the
// new name.
func Rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		os.Remove(from)
		return err
	}
	return SyncDir(filepath.Dir(to))
}

// SyncDir makes the names in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("syncing directory: %w", err)
	}
	return nil
}
