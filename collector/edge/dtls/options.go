package dtls

import (
	"crypto/tls"
	"io"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/elliptic"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"
	"github.com/pion/logging"
)

// replayWindow is how many records below the newest are told apart. The
// window of a session is the same.
const replayWindow = 1024

// recordMTU bounds the flights of a handshake, in bytes.
const recordMTU = 1200

// options are what every connection is made with.
type options []dtls.ServerOption

func newOptions(certificate tls.Certificate, psk map[string][]byte) options {
	suites := []dtls.CipherSuiteID{
		dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		dtls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	}
	if psk != nil { // with forward secrecy, which plain PSK has not
		suites = append(suites, dtls.TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256)
	}
	return options{
		dtls.WithCertificates(certificate),
		dtls.WithCipherSuites(suites...),
		dtls.WithEllipticCurves(elliptic.X25519, elliptic.P256),
		dtls.WithSignatureSchemes(tls.ECDSAWithP256AndSHA256),
		dtls.WithExtendedMasterSecret(dtls.RequireExtendedMasterSecret),
		// The certificate must be there and its key be proved; verify, which
		// knows two kinds, does the rest.
		dtls.WithClientAuth(dtls.RequireAnyClientCert),
		dtls.WithReplayProtectionWindow(replayWindow),
		dtls.WithMTU(recordMTU),
		dtls.WithLoggerFactory(silent),
	}
}

// of returns the options of one connection.
func (o options) of(c *conn) []dtls.ServerOption {
	all := append(o[:len(o):len(o)],
		dtls.WithVerifyPeerCertificate(c.verify),
		dtls.WithConnectionIDGenerator(func() []byte { return c.listener.name(c) }),
		dtls.WithServerHelloMessageHook(func(m handshake.MessageServerHello) handshake.Message {
			c.listener.prove(c) // it is the answer to the right cookie
			return &m
		}),
	)
	if c.listener.cfg.PSK != nil {
		all = append(all, dtls.WithPSK(c.preShared))
	}
	return all
}

// silent is for who logs the traffic of strangers: what fails is counted.
var silent = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled, ScopeLevels: map[string]logging.LogLevel{}}
