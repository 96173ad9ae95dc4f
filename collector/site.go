package collector

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"

	"github.com/taproot-sensor/taproot/provisioning"
)

// DefaultPort is the UDP port that sensors find a collector at.
const DefaultPort = "7755"

// openSite loads the site's keys and site file, and makes what is missing.
func (c *collector) openSite() error {
	dir, file := filepath.Join(c.Data, "keys"), filepath.Join(c.Data, "site.toml")
	keys, err := provisioning.LoadKeys(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if keys, err = provisioning.CreateKeys(dir); err == nil {
			c.Say("made the site's keys in %s: back them up", dir)
		}
	}
	if err != nil {
		return err
	}
	c.keys = keys
	s, err := provisioning.LoadSite(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s = keys.Site(c.Name, c.Addresses)
		if len(s.Collectors) == 0 {
			s.Collectors = []string{net.JoinHostPort(ownAddress(), port(c.Listen))}
			c.Say("sensors will dial %s; if that is not where they reach this machine, start again with --address host:port", s.Collectors[0])
		}
	case err != nil:
		return err
	case s.Box != keys.BoxKey():
		return fmt.Errorf("site file %s has the box key of other keys than those in %s: remove it, and it is made anew", file, dir)
	case len(c.Addresses) == 0:
		return nil
	default:
		s.Collectors = c.Addresses
	}
	if err := provisioning.WriteSite(file, s); err != nil {
		return err
	}
	c.Say("wrote %s; next, make an image that trusts this collector:\n  taproot image build --board qemu-x86-64 --site %s -o image\nor run a sensor on a host:\n  taproot sensor -i eth1 --site %s", file, file, file)
	return nil
}

// port returns the port of a listen address.
func port(listen string) string {
	if _, p, err := net.SplitHostPort(listen); err == nil && p != "" && p != "0" {
		return p
	}
	return DefaultPort
}

// ownAddress returns the address that this machine is reached at, as far as it
// can tell: the first global one, or loopback.
func ownAddress() string {
	addrs, _ := net.InterfaceAddrs() // without them, loopback it is
	for _, a := range addrs {
		if ip, ok := a.(*net.IPNet); ok && ip.IP.IsGlobalUnicast() && ip.IP.To4() != nil {
			return ip.IP.String()
		}
	}
	return "127.0.0.1"
}
