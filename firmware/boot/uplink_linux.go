package boot

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	"github.com/vishvananda/netlink"
)

// An Uplink keeps the uplink port's address, route and resolvers as DHCP says
// (RFC 2131).
type Uplink struct {
	Port string

	// ResolvConf is where resolvers are written, for the stage that dials.
	ResolvConf string

	Log *slog.Logger

	// Up is called with the address each time it has changed.
	Up func(net.IPNet)

	addr *netlink.Addr // what the port has now, or nil
}

// Between tries that had no answer. A server that is booting with the same
// power as the sensor takes a minute; a switch port that blocks, 30 s.
const (
	firstRetry = 1 * time.Second
	lastRetry  = 30 * time.Second
)

// Run holds a lease until ctx ends.
func (u *Uplink) Run(ctx context.Context) error {
	link, err := upUplink(u.Port)
	if err != nil {
		return err
	}
	waitCarrier(ctx, u.Port)
	var lease *nclient4.Lease
	retry := firstRetry
	for {
		wait := retry
		fresh, err := u.lease(ctx, lease)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			if err := u.configure(link, fresh.ACK); err != nil {
				return fmt.Errorf("configuring uplink %q: %w", u.Port, err)
			}
			lease, retry = fresh, firstRetry
			wait = fresh.ACK.IPAddressRenewalTime(fresh.ACK.IPAddressLeaseTime(time.Hour) / 2)
		default:
			u.Log.Warn("no DHCP lease", "port", u.Port, "err", err, "retry", retry)
			if lease != nil && time.Since(lease.CreationTime) > lease.ACK.IPAddressLeaseTime(time.Hour) {
				lease = nil // start over; the address stays until another comes
			}
			retry = min(2*retry, lastRetry)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

// carrierPatience is how long a port may take to agree with its switch on a
// speed. What is sent before is lost, and DHCP would wait for an answer to it.
const carrierPatience = 10 * time.Second

// waitCarrier returns as soon as the port has a link.
func waitCarrier(ctx context.Context, port string) {
	for deadline := time.Now().Add(carrierPatience); ctx.Err() == nil && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if state, err := os.ReadFile("/sys/class/net/" + port + "/carrier"); err == nil && len(state) > 0 && state[0] == '1' {
			return
		}
	}
}

// lease renews old, or asks for a lease where there is none.
func (u *Uplink) lease(ctx context.Context, old *nclient4.Lease) (*nclient4.Lease, error) {
	client, err := nclient4.New(u.Port, nclient4.WithTimeout(2*time.Second), nclient4.WithRetry(3))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	if old != nil {
		return client.Renew(ctx, old)
	}
	return client.Request(ctx, dhcpv4.WithOption(dhcpv4.OptHostName("taproot")))
}

// configure makes the port as the server said.
func (u *Uplink) configure(link netlink.Link, ack *dhcpv4.DHCPv4) error {
	mask := ack.SubnetMask()
	if mask == nil {
		mask = ack.YourIPAddr.DefaultMask()
	}
	addr := &netlink.Addr{IPNet: &net.IPNet{IP: ack.YourIPAddr, Mask: mask}}
	changed := u.addr == nil || !u.addr.Equal(*addr)
	if changed && u.addr != nil {
		if err := netlink.AddrDel(link, u.addr); err != nil {
			return err
		}
	}
	if err := netlink.AddrReplace(link, addr); err != nil {
		return err
	}
	u.addr = addr
	if routers := ack.Router(); len(routers) > 0 { // the first is the server's choice (RFC 2132, section 3.5)
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Gw: routers[0]}
		if err := netlink.RouteReplace(route); err != nil {
			return fmt.Errorf("route through %s: %w", routers[0], err)
		}
	}
	if err := os.WriteFile(u.ResolvConf, resolvConf(ack.DNS()), 0o644); err != nil {
		return err
	}
	if changed {
		u.Up(*addr.IPNet)
	}
	return nil
}

// resolvConf returns a resolv.conf(5).
func resolvConf(servers []net.IP) []byte {
	var b strings.Builder
	for _, ip := range servers {
		fmt.Fprintf(&b, "nameserver %s\n", ip)
	}
	return []byte(b.String())
}
