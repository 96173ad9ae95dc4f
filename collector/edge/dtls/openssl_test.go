package dtls

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/wire/enrol"
)

// openssl starts "openssl s_client" by DTLS 1.2. What is written to it is sent,
// a datagram for each line.
func openssl(t *testing.T, p *testPort, args ...string) (in io.Writer, out *bytes.Buffer, stop func()) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("no openssl: scripts/install-deps test")
	}
	out = &bytes.Buffer{}
	cmd := exec.Command(path, append([]string{"s_client", "-dtls1_2", "-connect", p.addr.String()}, args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	pipe, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			pipe.Close()
			time.Sleep(100 * time.Millisecond)
			cmd.Process.Kill()
			cmd.Wait()
		}
	}
	t.Cleanup(stop)
	return pipe, out, stop
}

// pemFiles writes a sensor's certificate and key, and the site's authority.
func pemFiles(t *testing.T, p *testPort, s sensor, certificate []byte) []string {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var args []string
	for _, f := range []struct {
		option, name string
		data         []byte
	}{
		{"-cert", "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})},
		{"-key", "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})},
		{"-CAfile", "ca.pem", p.authority.PEM()},
	} {
		path := filepath.Join(dir, f.name)
		if err := os.WriteFile(path, f.data, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, f.option, path)
	}
	return append(args, "-verify_return_error")
}

// OpenSSL makes handshakes with the listener in every suite, and finds its
// certificate good.
func TestOpenSSL(t *testing.T) {
	p := openPort(t, nil)
	s := newSensor(t)
	for _, suite := range []string{"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-CHACHA20-POLY1305"} {
		in, out, stop := openssl(t, p, append(pemFiles(t, p, s, s.member(t, p).Certificate[0]), "-cipher", suite)...)
		line := "by " + suite + "\n"
		p.counted(t, "handshakes_done", p.Counters()["handshakes_done"])
		fmt.Fprint(in, line)
		p.got(t, line)
		time.Sleep(200 * time.Millisecond) // for the answer
		stop()
		text := out.String()
		for _, want := range []string{"Verify return code: 0 (ok)", "Cipher    : " + suite, "got " + line, "Extended master secret: yes", "Protocol  : DTLSv1.2"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: openssl has not said %q:\n%s", suite, want, text)
			}
		}
	}
}

// With a certificate of its own OpenSSL is a guest: what it sends, which is no
// HELLO, is dropped.
func TestOpenSSLAsGuest(t *testing.T) {
	p := openPort(t, nil)
	p.status.Store(int32(enrol.Pending))
	s := newSensor(t)
	in, out, stop := openssl(t, p, pemFiles(t, p, s, s.own(t).Certificate[0])...)
	p.counted(t, "handshakes_done", 0)
	fmt.Fprint(in, "I am no sensor\n")
	p.counted(t, "drop_guest", 0)
	stop()
	if len(p.came) != 0 {
		t.Errorf("%q came; openssl said\n%s", p.came, out)
	}
}

// OpenSSL as a device that cannot do certificates.
func TestOpenSSLByPSK(t *testing.T) {
	key := bytes.Repeat([]byte{0x5a}, 32)
	p := openPort(t, map[string][]byte{"device-1": key})
	in, out, stop := openssl(t, p, "-psk_identity", "device-1", "-psk", strings.Repeat("5a", 32), "-cipher", "ECDHE-PSK-CHACHA20-POLY1305")
	p.counted(t, "handshakes_done", 0)
	fmt.Fprint(in, "from a device\n")
	p.got(t, "from a device\n")
	stop()
	if !strings.Contains(out.String(), "ECDHE-PSK-CHACHA20-POLY1305") {
		t.Errorf("openssl said\n%s", out)
	}
}
