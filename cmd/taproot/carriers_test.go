package main

import (
	"bytes"
	"crypto/ed25519"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/collector/control"
	"github.com/taproot-sensor/taproot/wire/enrol"
)

// freePort returns an address that nobody listens on, by TCP and UDP alike.
func freePort(t *testing.T) string {
	t.Helper()
	for range 20 {
		tcp, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer tcp.Close()
		if udp, err := net.ListenPacket("udp", tcp.Addr().String()); err == nil {
			udp.Close()
			return tcp.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

// taproot sensor --site works by each carrier, with a device key too, and says by
// which.
func TestSensorByEachCarrier(t *testing.T) {
	dtls, wss := freePort(t), freePort(t)
	device := filepath.Join(t.TempDir(), "device")
	if err := os.WriteFile(device, []byte("scale "+strings.Repeat("5a", 32)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startCollector(t, "--dtls", dtls, "--wss", wss, "--dtls-psk", device, "--address", "dtls://"+dtls, "--address", "wss://"+wss)
	text, err := os.ReadFile(filepath.Join(s.dir, "site.toml"))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, address, want string
		flags               []string
	}{
		{"DTLS", "dtls://" + dtls, "sending by DTLS to dtls://" + dtls, nil},
		{"device key", "dtls://" + dtls, "sending by DTLS to dtls://" + dtls, []string{"--device-key", device}},
		{"WSS", "wss://" + wss, "sending by WSS to wss://" + wss, nil},
	}
	for _, tt := range tests {
		file := filepath.Join(t.TempDir(), "site.toml")
		list := `["dtls://` + dtls + `","wss://` + wss + `"]`
		if err := os.WriteFile(file, []byte(strings.Replace(string(text), list, `["`+tt.address+`"]`, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		key := filepath.Join(t.TempDir(), "key")
		identity, err := sensorKey(key)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error)
		var out, errs bytes.Buffer
		go func() {
			done <- run(t.Context(), append([]string{"sensor", "--read", captures + "dns.pcap", "--site", file, "--key", key}, tt.flags...), &out, &errs)
		}()
		code := enrol.Identity(identity.Public().(ed25519.PublicKey)).Code()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			if _, _, err = s.do("sensors", "approve", code); err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
		if err := <-done; err != nil || !strings.Contains(errs.String(), tt.want) {
			t.Errorf("%s: error %v; the sensor said\n%s", tt.name, err, &errs)
		}
	}
	status, err := control.NewClient(s.dir).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]uint64{"dtls_handshakes_done": 2, "dtls_certificates": 1, "wss_upgrades": 1} {
		if got := status.Counters[name]; got != want {
			t.Errorf("%s = %d, want %d", name, got, want)
		}
	}
}
