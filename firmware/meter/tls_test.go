package meter_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/frametest"
)

// handshake has a client and a server of the standard library shake hands, and
// returns what each wrote, write by write, answers beginning with "<".
func handshake(t *testing.T, maxVersion uint16) []string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	var log messages
	c, s := net.Pipe()
	client := tls.Client(tap{c, &log, ""}, &tls.Config{
		ServerName: "www.example.org", NextProtos: []string{"h2"}, MaxVersion: maxVersion, InsecureSkipVerify: true,
	})
	server := tls.Server(tap{s, &log, "<"}, &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}, NextProtos: []string{"h2"},
	})
	go server.Handshake()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	return log.list
}

type messages struct {
	mu   sync.Mutex
	list []string
}

// A tap notes what is written.
type tap struct {
	net.Conn
	log    *messages
	prefix string
}

func (c tap) Write(b []byte) (int, error) {
	c.log.mu.Lock()
	c.log.list = append(c.log.list, c.prefix+string(b))
	c.log.mu.Unlock()
	return c.Conn.Write(b)
}

func TestMeterTLS(t *testing.T) {
	var tr trace
	new := handshake(t, tls.VersionTLS13)
	hello := new[0]
	tr.exchange(frametest.Between("10.0.0.1:1001", "10.0.0.2:443", frametest.TCP), new...)
	tr.exchange(frametest.Between("10.0.0.1:1002", "10.0.0.2:8443", frametest.TCP),
		append([]string{hello[:3], hello[3:100], hello[100:]}, new[1:]...)...)
	tr.exchange(frametest.Between("10.0.0.1:1003", "10.0.0.2:443", frametest.TCP), handshake(t, tls.VersionTLS12)...)
	tr.exchange(frametest.Between("10.0.0.1:1004", "10.0.0.2:443", frametest.TCP), hello, "<\x15\x03\x01\x00\x02\x02\x28")
	tr.exchange(frametest.Between("10.0.0.1:1005", "10.0.0.2:443", frametest.TCP), hello)
	tr.exchange(frametest.Between("10.0.0.1:1006", "10.0.0.2:443", frametest.TCP), "\x16\x03\x01\xff\xff\x01")
	tr.exchange(frametest.Between("10.0.0.1:1007", "10.0.0.2:443", frametest.TCP), "\x16\x03\x01\x40\x00\x01\x00\x40\x00"+strings.Repeat("x", 9000))
	tr.exchange(frametest.Between("10.0.0.1:1008", "10.0.0.2:443", frametest.TCP), "CONNECT x:443 HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\n\r\n", hello)
	out, err := run(t, frametest.Pcap(1, tr.frames...))
	if err != nil {
		t.Fatal(err)
	}
	line := func(flow, port, dst, rest string) string {
		return `"flow":` + flow + `,"src_addr":"10.0.0.1","src_port":` + port + `,"dst_addr":"10.0.0.2","dst_port":` + dst +
			`,"sni":"www.example.org","alpn":["h2"],` + rest + `}`
	}
	// What Go offers changes from release to release.
	fingerprints := regexp.MustCompile(`,"(curve|ja3s?|ja4|server_certs)":("[^"]*"|\[[^]]*\])`)
	for i, rec := range out.lines["tls"] {
		if n := len(fingerprints.FindAllString(rec, -1)); n < 2 {
			t.Errorf("no fingerprints: %s", rec)
		}
		out.lines["tls"][i] = fingerprints.ReplaceAllString(rec, "")
	}
	const modern = `"version":"1.3","cipher":"TLS_AES_128_GCM_SHA256","accepted":true`
	out.want(t, "tls",
		line("1", "1001", "443", modern),
		line("2", "1002", "8443", modern),
		line("3", "1003", "443", `"next_protocol":"h2","version":"1.2","cipher":"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256","accepted":true`),
		line("4", "1004", "443", `"version":"1.3","alert":"handshake_failure"`),
		line("5", "1005", "443", `"version":"1.3"`),
		line("8", "1008", "443", `"version":"1.3"`), // through a proxy
	)
	for name, want := range map[string]int64{"meter.malformed_tls": 2, "meter.streams_gap": 0, "meter.records_x509": 1} {
		if got := out.counters[name]; got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
	out.want(t, "http", `"flow":8,"src_addr":"10.0.0.1","src_port":1008,"dst_addr":"10.0.0.2","dst_port":443,"version":"1.1","method":"CONNECT",`+
		`"host":"x:443","uri":"x:443","status":200,"rtt":1000000}`)
	for _, flow := range out.lines["flow"][:5] {
		if !strings.Contains(flow, `"app":"tls"`) {
			t.Errorf("not recognised: %s", flow)
		}
	}
}

// TestMeterManyStreams begins more handshakes than there are streams for: the
// oldest give way, and none is lost.
func TestMeterManyStreams(t *testing.T) {
	hello := handshake(t, tls.VersionTLS13)[0]
	var tr trace
	const flows = 600
	for i := range flows {
		p := frametest.Between("10.0.0.1:1000", "10.0.0.2:443", frametest.TCP)
		p.Src = netip.AddrPortFrom(p.Src.Addr(), uint16(1000+i))
		tr.exchange(p, hello)
	}
	out, err := run(t, frametest.Pcap(1, tr.frames...))
	if err != nil || len(out.lines["tls"]) != flows || out.counters["meter.streams_stolen"] != flows-512 {
		t.Errorf("%d records, %d streams stolen, %v", len(out.lines["tls"]), out.counters["meter.streams_stolen"], err)
	}
}

func FuzzMeter(f *testing.F) {
	paths, err := filepath.Glob("../../testdata/captures/*.pcap*")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if len(b) < 10_000 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if _, err := capture.NewFile("fuzz", bytes.NewReader(file)); err == nil {
			run(t, file)
		}
	})
}
