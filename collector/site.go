package collector

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"strings"

	"github.com/taproot-sensor/taproot/internal/durable"
	"github.com/taproot-sensor/taproot/provisioning"
	"github.com/taproot-sensor/taproot/wire/site"
)

// The ports that sensors find a collector at: UDP, UDP for DTLS, TCP for
// WebSockets.
const (
	DefaultPort     = "7755"
	DefaultDTLSPort = "7756"
	DefaultWSSPort  = "443"
)

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
	if c.authority, err = provisioning.OpenAuthority(dir); err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(c.Data, "ca.pem"), c.authority.PEM(), 0o644); err != nil { // for other programs
		return fmt.Errorf("writing the authority's certificate: %w", err)
	}
	s, err := provisioning.LoadSite(file)
	defer func() { c.hosts = hostsOf(s.Collectors) }()
	known, moved := s.CA != site.Key{}, false
	if err == nil {
		if moved, err = c.followKeys(&s); err != nil {
			return err
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s = keys.Site(c.Name, c.Addresses)
		if len(s.Collectors) == 0 {
			s.Collectors = c.ownAddresses()
			c.Say("sensors will dial %s; if that is not where they reach this machine, start again with --address host:port", strings.Join(s.Collectors, ", "))
		}
	case err != nil:
		return err
	case s.Box != keys.BoxKey():
		return fmt.Errorf("site file %s has the box key of other keys than those in %s: remove it, and it is made anew", file, dir)
	case known && s.CA != c.authority.KeyID():
		return fmt.Errorf("site file %s has another certificate authority than that in %s: remove it, and it is made anew", file, dir)
	case !moved && len(c.Addresses) == 0 && (known || c.ListenDTLS == "" && c.ListenWSS == ""):
		return nil
	case len(c.Addresses) > 0:
		s.Collectors = c.Addresses
	}
	s.CA = c.authority.KeyID()
	if err := provisioning.WriteSite(file, s); err != nil {
		return err
	}
	c.Say("wrote %s; next, make an image that trusts this collector:\n  taproot image build --board qemu-x86-64 --site %s -o image\nor run a sensor on a host:\n  taproot sensor -i eth1 --site %s", file, file, file)
	return nil
}

// port returns the port of a listen address, or the usual one.
func port(listen, usual string) string {
	if _, p, err := net.SplitHostPort(listen); err == nil && p != "" && p != "0" {
		return p
	}
	return usual
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
