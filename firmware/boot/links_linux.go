package boot

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"
)

// RenameLink renames an interface that is down.
func RenameLink(from, to string) error {
	link, err := netlink.LinkByName(from)
	if err != nil {
		return fmt.Errorf("renaming interface %q: %w", from, err)
	}
	return netlink.LinkSetName(link, to)
}

// SilenceNewLinks keeps the kernel from speaking IPv6 on interfaces that appear
// from now on: a port that comes up must not ask for routers or announce group
// memberships before it is known which port it is.
func SilenceNewLinks() error { return setIPv6("default", false) }

func setIPv6(name string, on bool) error {
	value := "1"
	if on {
		value = "0"
	}
	path := filepath.Join("/proc/sys/net/ipv6/conf", name, "disable_ipv6")
	if err := os.WriteFile(path, []byte(value), 0); err != nil {
		return fmt.Errorf("setting IPv6 of %q: %w", name, err)
	}
	return nil
}

// UpTap brings a tap port up so that it receives everything and sends nothing:
// it has no address, no ARP and no IPv6.
func UpTap(name string) error {
	if err := setIPv6(name, false); err != nil {
		return err
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return fmt.Errorf("bringing up tap port %q: %w", name, err)
	}
	for _, set := range []func(netlink.Link) error{netlink.LinkSetARPOff, netlink.SetPromiscOn, netlink.LinkSetUp} {
		if err := set(link); err != nil {
			return fmt.Errorf("bringing up tap port %q: %w", name, err)
		}
	}
	if err := keepFramesApart(name); err != nil {
		return fmt.Errorf("bringing up tap port %q: %w", name, err)
	}
	return nil
}

// upUplink brings the uplink port up, and the loopback interface with it.
func upUplink(name string) (netlink.Link, error) {
	if err := setIPv6(name, true); err != nil {
		return nil, err
	}
	var link netlink.Link
	for _, n := range []string{"lo", name} {
		l, err := netlink.LinkByName(n)
		if err != nil {
			return nil, fmt.Errorf("bringing up port %q: %w", n, err)
		}
		if err := netlink.LinkSetUp(l); err != nil {
			return nil, fmt.Errorf("bringing up port %q: %w", n, err)
		}
		link = l
	}
	return link, nil
}
