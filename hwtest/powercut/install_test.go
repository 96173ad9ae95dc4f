package powercut_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/slots"
	"github.com/taproot-sensor/taproot/firmware/update"
	"github.com/taproot-sensor/taproot/hwtest/powercut"
)

// open starts the machine and returns the sensor's view of that.
func open(t *testing.T, m *powercut.Machine) (*update.Updater, update.Status) {
	t.Helper()
	start, err := m.Boot()
	if err != nil {
		t.Fatal(err)
	}
	table, err := slots.ReadTable(m.Disk)
	if err != nil {
		t.Fatal(err)
	}
	u, status, err := update.Open(m.Chain.Slots(m, table, start), m.Disk)
	if err != nil {
		t.Fatal(err)
	}
	return u, status
}

// TestInstallRefuses: an update that is not what it should be ends with an
// error, and the system that runs is the one that starts.
func TestInstallRefuses(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range powercut.Chains() {
		all := powercut.ModelReleases(c)
		good := all[1]
		flipped := bytes.Clone(good.Image)
		flipped[len(flipped)/2] ^= 1
		tests := []struct {
			name  string
			ctx   context.Context
			image io.Reader
			want  string
		}{
			{"truncated", t.Context(), bytes.NewReader(good.Image[:len(good.Image)-1]), "unexpected EOF"},
			{"empty", t.Context(), bytes.NewReader(nil), "EOF"},
			{"too long", t.Context(), io.MultiReader(bytes.NewReader(good.Image), strings.NewReader("x")), "larger than a slot"},
			{"a bit flipped", t.Context(), bytes.NewReader(flipped), update.ErrDigest.Error()},
			{"stopped", ended, bytes.NewReader(good.Image), context.Canceled.Error()},
		}
		m, err := powercut.NewMachine(c, all[0].Image)
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range tests {
			t.Run(c.Name+"/"+tt.name, func(t *testing.T) {
				u, _ := open(t, m)
				err := u.Install(tt.ctx, tt.image, update.Release{Digest: good.Digest})
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %q", err, tt.want)
				}
				m.Argument = u.RebootArgument()
				if _, status := open(t, m); status.Running != slots.A || status.Trial != nil || status.Failed != nil {
					t.Errorf("after it: %+v", status)
				}
			})
		}
		t.Run(c.Name+"/a disk that forgets", func(t *testing.T) {
			m := m.Clone()
			u, _ := open(t, m)
			m.Break()
			if err := u.Install(t.Context(), bytes.NewReader(good.Image), update.Release{Digest: good.Digest}); err == nil {
				t.Error("installed")
			}
		})
		t.Run(c.Name+"/on trial", func(t *testing.T) {
			u, _ := open(t, m)
			if err := u.Confirm(); err == nil {
				t.Error("a system that is not on trial is confirmed")
			}
			if err := u.Install(t.Context(), bytes.NewReader(good.Image), update.Release{Digest: good.Digest, Floor: 5}); err != nil {
				t.Fatal(err)
			}
			m.Argument = u.RebootArgument()
			u, status := open(t, m)
			if status.Trial == nil || status.Running != slots.B || status.Trial.Confirm != update.DefaultConfirm {
				t.Fatalf("after it: %+v", status)
			}
			if err := u.Install(t.Context(), bytes.NewReader(all[4].Image), update.Release{Digest: all[4].Digest}); err == nil {
				t.Error("a system on trial installs another")
			}
			if err := u.Confirm(); err != nil {
				t.Fatal(err)
			}
			if s := u.State(); s.Floor != 5 || s.Committed != slots.B || s.Digest != good.Digest {
				t.Errorf("after it was confirmed: %+v", s)
			}
		})
		t.Run(c.Name+"/a committed slot that went bad", func(t *testing.T) {
			if c.Name == "tryboot" {
				t.Skip("the firmware of a Raspberry Pi starts nothing else")
			}
			clear(m.Holds(slots.B)[:512])
			u, status := open(t, m)
			if !status.Fallback || status.Running != slots.A || u.State().Committed != slots.A {
				t.Errorf("got %+v, %+v, want slot A adopted", status, u.State())
			}
		})
	}
}
