package wired

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// OpenSerial opens a serial line for bytes as they are: 8 bits, no parity, no
// flow control, at any speed the device knows (termios2 of Linux,
// include/uapi/asm-generic/termbits.h). Nobody else may open it meanwhile.
func OpenSerial(c Console) (*os.File, error) {
	// Without O_NONBLOCK, opening would wait for a modem to answer.
	f, err := os.OpenFile(c.Device, os.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the serial line: %w", err)
	}
	raw, err := f.SyscallConn()
	if err == nil {
		if failed := raw.Control(func(fd uintptr) { err = setRaw(int(fd), c.Baud) }); failed != nil {
			err = failed
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("opening the serial line %s at %d baud: %w", c.Device, c.Baud, err)
	}
	return f, nil
}

func setRaw(fd, baud int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS2)
	if err != nil {
		return err
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cflag = unix.CS8 | unix.CREAD | unix.CLOCAL | unix.BOTHER
	t.Ispeed, t.Ospeed = uint32(baud), uint32(baud)
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS2, t); err != nil {
		return err
	}
	return unix.IoctlSetInt(fd, unix.TIOCEXCL, 0)
}
