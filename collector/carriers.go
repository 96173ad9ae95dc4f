package collector

import (
	"context"
	"errors"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/taproot-sensor/taproot/collector/edge/dtls"
	"github.com/taproot-sensor/taproot/collector/edge/wss"
	"github.com/taproot-sensor/taproot/provisioning"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/site"
)

// statusTimeout bounds the question to the registry what is decided about a
// sensor that connects.
const statusTimeout = 2 * time.Second

// ports are those that sensors reach beside UDP. Either may be nil.
type ports struct {
	dtls *dtls.Listener
	wss  *wss.Listener
}

// listenPorts opens the ports that the collector was told to.
func (c *collector) listenPorts() (err error) {
	if c.ListenDTLS != "" {
		var psk map[string][]byte
		if c.PSKFile != "" {
			if psk, err = provisioning.LoadDeviceKeys(c.PSKFile); err != nil {
				return err
			}
		}
		c.ports.dtls, err = dtls.Listen(c.ListenDTLS, dtls.Config{Authority: c.authority, Status: c.standing, PSK: psk, Log: c.Log})
		if err != nil {
			return err
		}
		c.Say("listening for sensors on DTLS %s", c.ports.dtls.Addr())
	}
	if c.ListenWSS != "" {
		c.ports.wss, err = wss.Listen(c.ListenWSS, wss.Config{
			Authority: c.authority, Identity: c.keys.Site("", nil).Identity, Hosts: c.hosts, Proxies: c.Proxies, Status: c.standing, Log: c.Log,
		})
		if err != nil {
			return errors.Join(err, c.ports.close())
		}
		c.Say("listening for sensors on WSS %s", c.ports.wss.Addr())
	}
	return nil
}

// run serves the ports that are open.
func (p *ports) run(ctx context.Context, g *errgroup.Group, r dtls.Receiver) {
	if p.dtls != nil {
		g.Go(func() error { return p.dtls.Run(ctx, r) })
	}
	if p.wss != nil {
		g.Go(func() error { return p.wss.Run(ctx, r) })
	}
}

func (p *ports) close() error {
	var errs []error
	if p.dtls != nil {
		errs = append(errs, p.dtls.Close())
	}
	if p.wss != nil {
		errs = append(errs, p.wss.Close())
	}
	return errors.Join(errs...)
}

// revoke ends the connections of a sensor.
func (p *ports) revoke(id enrol.Identity) {
	if p.dtls != nil {
		p.dtls.Revoke(id)
	}
	if p.wss != nil {
		p.wss.Revoke(id)
	}
}

// counters adds those of the ports to all.
func (p *ports) counters(all map[string]uint64) {
	if p.dtls != nil {
		for name, n := range p.dtls.Counters() {
			all["dtls_"+name] = n
		}
	}
	if p.wss != nil {
		for name, n := range p.wss.Counters() {
			all["wss_"+name] = n
		}
	}
}

// standing says what is decided about a sensor that connects. Where that cannot
// be asked now, it is as one that nobody has decided about.
func (c *collector) standing(id enrol.Identity) enrol.Status {
	ctx, cancel := context.WithTimeout(context.Background(), statusTimeout)
	defer cancel()
	state, err := c.fleet.State(ctx, id)
	if err != nil {
		c.Log.Warn("registry not reached", "error", err)
		return enrol.Pending
	}
	return state.Status()
}

// ownAddresses returns the addresses of this collector, as far as it can tell, in
// the order in which sensors try them.
func (c *collector) ownAddresses() []string {
	host := ownAddress()
	list := []string{net.JoinHostPort(host, port(c.Listen, DefaultPort))}
	if c.ListenDTLS != "" {
		list = append(list, "dtls://"+net.JoinHostPort(host, port(c.ListenDTLS, DefaultDTLSPort)))
	}
	if c.ListenWSS != "" {
		list = append(list, "wss://"+net.JoinHostPort(host, port(c.ListenWSS, DefaultWSSPort)))
	}
	return list
}

// hostsOf returns the names in addresses, for the certificate.
func hostsOf(addresses []string) (hosts []string) {
	for _, text := range addresses {
		a, err := site.ParseAddress(text)
		if err != nil || net.ParseIP(a.Host) != nil {
			continue
		}
		hosts = append(hosts, a.Host)
	}
	return hosts
}
