package boot

import (
	"bufio"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// activeConsoles returns the terminals that the kernel uses as its console, such
// as tty0 and ttyS0. The last is what /dev/console is.
func activeConsoles() []string {
	b, err := os.ReadFile("/sys/class/tty/console/active")
	if err != nil {
		return nil
	}
	return strings.Fields(string(b))
}

// openConsole opens a terminal without making it anyone's own.
func openConsole(name string) (*os.File, error) {
	return os.OpenFile("/dev/"+name, os.O_RDWR|unix.O_NOCTTY, 0)
}

// Consoles returns a writer to all consoles: what is written to standard output
// reaches only the last of them.
func Consoles() io.Writer {
	all := []io.Writer{os.Stdout}
	names := activeConsoles()
	for _, name := range names[:max(0, len(names)-1)] {
		if f, err := openConsole(name); err == nil {
			all = append(all, f)
		}
	}
	if len(all) == 1 {
		return os.Stdout
	}
	return io.MultiWriter(all...)
}

// ConsoleLines returns what is typed at any console, line by line, until
// process 1 ends.
func ConsoleLines() <-chan string {
	const maxLine = 256
	lines := make(chan string)
	for _, name := range activeConsoles() {
		f, err := openConsole(name)
		if err != nil {
			continue
		}
		go func() {
			defer f.Close()
			s := bufio.NewScanner(f)
			s.Buffer(make([]byte, maxLine), maxLine)
			for s.Scan() {
				lines <- s.Text()
			}
		}()
	}
	return lines
}
