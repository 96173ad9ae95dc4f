package outer

import (
	"errors"
	"fmt"
)

// issueHead begins the one datagram that is not of package session: a collector
// sends it to a sensor whose DTLS connection is in its own certificate and who
// is approved. Sessions have no datagrams of this type.
const issueHead = "tp\x01\x40"

// AppendIssue appends the datagram that hands a sensor its certificate, DER. It
// is no secret, and proves itself.
func AppendIssue(dst, certificate []byte) []byte {
	return append(append(dst, issueHead...), certificate...)
}

// ParseIssue reads what AppendIssue wrote. Not ok if d is another datagram.
func ParseIssue(d []byte) (certificate []byte, ok bool, err error) {
	if len(d) < len(issueHead) || string(d[:len(issueHead)]) != issueHead {
		return nil, false, nil
	}
	certificate = d[len(issueHead):]
	switch {
	case len(certificate) == 0:
		return nil, true, errors.New("parsing a certificate's datagram: cut short")
	case len(certificate) > MaxCertificate:
		return nil, true, fmt.Errorf("parsing a certificate's datagram: %d bytes, at most %d fit", len(certificate), MaxCertificate)
	}
	return certificate, true, nil
}
