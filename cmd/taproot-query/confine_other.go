//go:build !linux

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// confine executes the program again with args. Other systems have nothing to
// confine it with but DuckDB's own settings.
func confine(args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return unix.Exec(self, args, nil)
}
