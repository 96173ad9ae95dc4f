package wired

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gosnmp/gosnmp"
)

// presets are families of what switches power, by the variables of their MIBs;
// the outlet's number is put behind.
var presets = map[string]Outlet{
	// PowerNet-MIB: rPDUOutletControlOutletCommand, rPDUOutletStatusOutletState.
	"apc-rpdu": {Set: ".1.3.6.1.4.1.318.1.1.12.3.3.1.1.4.", On: 1, Off: 2, State: ".1.3.6.1.4.1.318.1.1.12.3.5.1.1.4.", StateOn: 1, StateOff: 2},
	// PowerNet-MIB: rPDU2OutletSwitchedControlCommand, rPDU2OutletSwitchedStatusState.
	"apc-rpdu2": {Set: ".1.3.6.1.4.1.318.1.1.26.9.2.4.1.5.", On: 1, Off: 2, State: ".1.3.6.1.4.1.318.1.1.26.9.2.3.1.5.", StateOn: 2, StateOff: 1},
	// PDU2-MIB: switchingOperation and outletSwitchingState of PDU 1.
	"raritan": {Set: ".1.3.6.1.4.1.13742.6.4.1.2.1.2.1.", On: 1, Off: 0, State: ".1.3.6.1.4.1.13742.6.4.1.2.1.3.1.", StateOn: 7, StateOff: 8},
	// RFC 3621: pethPsePortAdminEnable of group 1, for boards that are fed by PoE.
	"poe": {Set: ".1.3.6.1.2.1.105.1.1.1.3.1.", On: 1, Off: 2, State: ".1.3.6.1.2.1.105.1.1.1.3.1.", StateOn: 1, StateOff: 2},
}

// preset fills in the variables of a family.
func (o *Outlet) preset(family string, outlet int) error {
	p, ok := presets[family]
	if !ok {
		return fmt.Errorf("%q, want one of %s, or oid, on and off in its place", family, names(presets))
	}
	if outlet < 1 {
		return fmt.Errorf("%q wants outlet = N, the outlet's number from 1", family)
	}
	n := strconv.Itoa(outlet)
	o.Set, o.On, o.Off = p.Set+n, p.On, p.Off
	o.State, o.StateOn, o.StateOff = p.State+n, p.StateOn, p.StateOff
	return nil
}

var (
	authentications = map[string]gosnmp.SnmpV3AuthProtocol{
		"MD5": gosnmp.MD5, "SHA": gosnmp.SHA, "SHA256": gosnmp.SHA256, "SHA512": gosnmp.SHA512,
	}
	privacies = map[string]gosnmp.SnmpV3PrivProtocol{
		"DES": gosnmp.DES, "AES": gosnmp.AES, "AES256": gosnmp.AES256, "AES256C": gosnmp.AES256C,
	}
)

func names[V any](m map[string]V) string { return strings.Join(slices.Sorted(maps.Keys(m)), ", ") }

// How long an outlet has to answer, and to do what it was told: PDUs stagger
// their relays.
const (
	snmpTimeout = 2 * time.Second
	snmpRetries = 2
	switchTime  = 15 * time.Second
	switchPoll  = 200 * time.Millisecond
)

// Switch switches the outlet and waits until it says that it has.
func (o *Outlet) Switch(ctx context.Context, on bool) error {
	if err := o.do(ctx, on); err != nil {
		return fmt.Errorf("switching the outlet %s of %s %s: %w", o.Set, o.Address, word(on), err)
	}
	return nil
}

func (o *Outlet) do(ctx context.Context, on bool) error {
	s, err := o.dial(ctx)
	if err != nil {
		return err
	}
	defer s.Close()
	value, want := o.Off, o.StateOff
	if on {
		value, want = o.On, o.StateOn
	}
	answer, err := s.Set([]gosnmp.SnmpPDU{{Name: o.Set, Type: gosnmp.Integer, Value: value}})
	if err != nil {
		return err
	}
	if answer.Error != gosnmp.NoError {
		return fmt.Errorf("setting it to %d: %s", value, answer.Error)
	}
	for deadline := time.Now().Add(switchTime); o.State != ""; {
		got, err := read(s, o.State)
		if err != nil {
			return err
		}
		if got == want {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is %d after %s, want %d", o.State, got, switchTime, want)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(switchPoll):
		}
	}
	return nil
}

// read returns the number that a variable has.
func read(s *gosnmp.GoSNMP, oid string) (int, error) {
	answer, err := s.Get([]string{oid})
	if err != nil {
		return 0, err
	}
	if answer.Error != gosnmp.NoError || len(answer.Variables) != 1 || answer.Variables[0].Type != gosnmp.Integer {
		return 0, fmt.Errorf("%s has no number", oid)
	}
	return int(gosnmp.ToBigInt(answer.Variables[0].Value).Int64()), nil
}

// dial opens a session; there are no packets yet.
func (o *Outlet) dial(ctx context.Context) (*gosnmp.GoSNMP, error) {
	host, port, err := net.SplitHostPort(o.Address)
	if err != nil {
		return nil, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, err
	}
	s := &gosnmp.GoSNMP{
		Context: ctx, Target: host, Port: uint16(n), Transport: "udp", Timeout: snmpTimeout, Retries: snmpRetries,
		Version: gosnmp.Version2c, Community: o.Community, MaxOids: gosnmp.MaxOids,
	}
	if o.User != "" {
		s.Version, s.SecurityModel, s.MsgFlags = gosnmp.Version3, gosnmp.UserSecurityModel, gosnmp.AuthPriv
		s.SecurityParameters = &gosnmp.UsmSecurityParameters{
			UserName:                 o.User,
			AuthenticationProtocol:   cmp.Or(authentications[o.Auth], gosnmp.SHA256),
			AuthenticationPassphrase: o.AuthPassword,
			PrivacyProtocol:          cmp.Or(privacies[o.Priv], gosnmp.AES),
			PrivacyPassphrase:        o.PrivPass,
		}
	}
	return s, s.Connect()
}

func word(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
