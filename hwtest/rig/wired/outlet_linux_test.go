package wired

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"periph.io/x/conn/v3/gpio"

	"github.com/taproot-sensor/taproot/hwtest/rig/wired/wiredtest"
)

// missing skips, or fails where everything is to be there.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("TAPROOT_HWTEST") != "" {
		t.Fatal(what)
	}
	t.Skip(what)
}

func TestOutlet(t *testing.T) {
	pdu, lacking := wiredtest.StartPDU(t)
	if pdu == nil {
		missing(t, lacking)
	}
	v2 := Outlet{Community: "private"}
	v3 := Outlet{User: "rig", Auth: "SHA256", AuthPassword: wiredtest.AuthPassword, Priv: "AES", PrivPass: wiredtest.PrivPassword}
	for _, o := range []*Outlet{&v2, &v3} {
		o.Address = pdu.Address
		if err := o.preset("apc-rpdu", 1); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for _, step := range []struct {
		name string
		o    *Outlet
		on   bool
	}{{"2c on", &v2, true}, {"2c off", &v2, false}, {"3 on", &v3, true}, {"3 off", &v3, false}} {
		if err := step.o.Switch(ctx, step.on); err != nil {
			t.Fatalf("%s: %v\nsnmpd: %s", step.name, err, pdu.Log())
		}
		if pdu.On(1) != step.on {
			t.Errorf("%s: Switch has returned, and the outlet has not switched", step.name)
		}
	}
	if told := pdu.Told(); told != "1=1 1=2 1=1 1=2" {
		t.Errorf("the outlets were told %q", told)
	}

	for name, o := range map[string]Outlet{
		"wrong community":  {Address: pdu.Address, Set: v2.Set, On: 1, Off: 2, Community: "public"},
		"wrong password":   {Address: pdu.Address, Set: v2.Set, On: 1, Off: 2, User: "rig", Auth: "SHA256", AuthPassword: "somebody else's", Priv: "AES", PrivPass: wiredtest.PrivPassword},
		"unknown variable": {Address: pdu.Address, Set: ".1.3.6.1.4.1.99999.1", On: 1, Off: 2, Community: "private"},
		"nobody there":     {Address: wiredtest.FreeAddress(t), Set: v2.Set, On: 1, Off: 2, Community: "private"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := o.Switch(ctx, true)
			if err == nil || !strings.Contains(err.Error(), "switching the outlet "+o.Set) {
				t.Errorf("got %v, want an error that names the outlet", err)
			}
			t.Log(err)
		})
	}
}

// level is a line that can be looked at.
type level struct {
	l   gpio.Level
	err error
}

func (l *level) Out(to gpio.Level) error { l.l = to; return l.err }

func TestRelay(t *testing.T) {
	for _, low := range []bool{false, true} {
		l := &level{}
		r := relay{&Relay{Chip: "chip", Line: 3, ActiveLow: low}, l}
		for _, on := range []bool{true, false} {
			if err := r.Switch(t.Context(), on); err != nil || bool(l.l) != (on != low) {
				t.Errorf("active low %v, switched %v: line is %v, %v", low, on, l.l, err)
			}
		}
		l.err = errors.New("no such device")
		if err := r.Switch(t.Context(), true); err == nil || !strings.Contains(err.Error(), "line 3 of chip on: no such device") {
			t.Errorf("got %v", err)
		}
	}
	_, err := Switching{Relay: &Relay{Chip: "nobody's chip"}}.Open()
	if err == nil || !strings.Contains(err.Error(), `no GPIO chip "nobody's chip"`) {
		t.Errorf("got %v, want the chip's name", err)
	}
}
