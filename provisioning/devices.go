package provisioning

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
)

const (
	// maxDeviceFile bounds a file of device keys, in bytes.
	maxDeviceFile = 1 << 20
	maxDeviceName = 64
	// A device key has 16 to 64 bytes: 128 bits, and no more than a block of
	// SHA-256.
	minDeviceKey = 16
	maxDeviceKey = 64
)

// LoadDeviceKeys reads the keys of devices that cannot do certificates: a line
// for each, its name and hex digits. Empty lines and those that begin with # are
// not looked at. Its errors say nothing of the keys.
func LoadDeviceKeys(path string) (map[string][]byte, error) {
	keys, err := loadDeviceKeys(path)
	if err != nil {
		return nil, fmt.Errorf("reading device keys %s: %w", path, err)
	}
	return keys, nil
}

func loadDeviceKeys(path string) (map[string][]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("mode is %04o, so others can read it; \"chmod 600\" it and think about who did", info.Mode().Perm())
	case info.Size() > maxDeviceFile:
		return nil, fmt.Errorf("%d bytes, at most %d fit", info.Size(), maxDeviceFile)
	}
	keys := map[string][]byte{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, digits, _ := strings.Cut(line, " ")
		key, err := hex.DecodeString(strings.TrimSpace(digits))
		switch {
		case err != nil || len(key) < minDeviceKey || len(key) > maxDeviceKey:
			return nil, fmt.Errorf("line %d: want a name, a space and %d to %d hex digits; \"openssl rand -hex 32\" makes some", n, 2*minDeviceKey, 2*maxDeviceKey)
		case len(name) > maxDeviceName:
			return nil, fmt.Errorf("line %d: name of %d bytes, at most %d fit", n, len(name), maxDeviceName)
		case keys[name] != nil:
			return nil, fmt.Errorf("line %d: device %q has a key already", n, name)
		}
		keys[name] = key
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(keys) == 0 {
		return nil, errors.New("no key is in it")
	}
	return keys, nil
}
