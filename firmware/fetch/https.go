package fetch

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/taproot-sensor/taproot/wire/release"
	"github.com/taproot-sensor/taproot/wire/site"
)

// An HTTPS fetches from the collectors of a site: from the TCP port with the
// number of the port that each has for sensors.
type HTTPS struct {
	hosts  []string
	next   int // index of the one that has answered last
	client http.Client
}

// errStranger is a server that is not the site's.
var errStranger = errors.New("the server has other keys than the site")

// NewHTTPS returns a fetcher for a site. That it speaks to a collector of the
// site is known by the site's identity, so that no clock and no names matter;
// what it fetches is signed by others all the same.
func NewHTTPS(s site.Site) *HTTPS {
	verify := func(state tls.ConnectionState) error {
		key, ok := state.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
		if !ok || site.Key(key) != s.Identity {
			return errStranger
		}
		return nil
	}
	h := &HTTPS{}
	for _, text := range s.Collectors {
		if a, err := site.ParseAddress(text); err == nil && a.Carrier != site.WSS {
			h.hosts = append(h.hosts, net.JoinHostPort(a.Host, a.Port))
		}
	}
	h.client = http.Client{
		Timeout: 25 * time.Second,
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout: 10 * time.Second,
			MaxIdleConns:        1,
			IdleConnTimeout:     time.Minute,
			// Chains and names are not looked at because VerifyConnection
			// knows the one key that is right.
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, VerifyConnection: verify},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return h
}

// Fetch asks one collector after the other, the one that has answered last
// first.
func (h *HTTPS) Fetch(ctx context.Context, name string, off int64, buf []byte) (n int, err error) {
	err = errors.New("no collector of the site is reached by UDP, and by TCP at the same port")
	for range h.hosts {
		if n, err = h.fetch(ctx, h.hosts[h.next], name, off, buf); err == nil || err == io.EOF || errors.Is(err, ErrNone) {
			return n, err
		}
		h.next = (h.next + 1) % len(h.hosts)
	}
	return n, err
}

func (h *HTTPS) fetch(ctx context.Context, host, name string, off int64, buf []byte) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+release.URLPath+name, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+int64(len(buf))-1))
	res, err := h.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusPartialContent:
	case http.StatusNotFound:
		return 0, ErrNone
	case http.StatusRequestedRangeNotSatisfiable:
		return 0, io.EOF
	default:
		return 0, fmt.Errorf("%s answers %s", host, res.Status)
	}
	var first, end, total int64
	if _, err := fmt.Sscanf(res.Header.Get("Content-Range"), "bytes %d-%d/%d", &first, &end, &total); err != nil || first != off || end-first >= int64(len(buf)) {
		return 0, fmt.Errorf("%s answers with another range than was asked for", host)
	}
	n, err := io.ReadFull(res.Body, buf[:end-first+1])
	if err == nil && end+1 == total {
		err = io.EOF
	}
	return n, err
}
