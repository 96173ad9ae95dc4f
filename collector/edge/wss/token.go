package wss

import (
	"crypto/ed25519"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/outer"
)

const (
	// leeway is how far a sensor's clock may be off.
	leeway = 30 * time.Second
	// maxRemembered bounds the tokens that are remembered. Beyond it the one
	// that is over first is forgotten; it is still bound to its connection.
	maxRemembered = 1 << 16
	// maxID bounds the claim "jti", in bytes.
	maxID = 64
)

// claims are what a token says.
type claims struct {
	jwt.RegisteredClaims
	Confirmation outer.Confirmation `json:"cnf"`
}

// A checker checks tokens.
type checker struct {
	audience string
	parser   *jwt.Parser
	now      func() time.Time
	seen     seen
}

func newChecker(audience string, now func() time.Time) *checker {
	return &checker{audience: audience, now: now, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}),
		jwt.WithAudience(audience),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(leeway),
		jwt.WithStrictDecoding(),
		jwt.WithTimeFunc(now),
	)}
}

// check returns whose token the request has. exporter is that of the request's
// TLS connection; empty where a proxy of ours has ended that and checked it.
func (c *checker) check(r *http.Request, exporter []byte) (enrol.Identity, error) {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || len(r.Header.Values("Authorization")) != 1 {
		return enrol.Identity{}, errors.New("no token")
	}
	if len(text) > outer.MaxToken {
		return enrol.Identity{}, fmt.Errorf("token of %d bytes, at most %d fit", len(text), outer.MaxToken)
	}
	var said claims
	if _, err := c.parser.ParseWithClaims(text, &said, key); err != nil {
		return enrol.Identity{}, err
	}
	now := c.now()
	switch {
	case said.IssuedAt == nil || said.ExpiresAt.Sub(said.IssuedAt.Time) > outer.MaxTokenLife || said.ExpiresAt.Sub(now) > outer.MaxTokenLife+leeway:
		return enrol.Identity{}, fmt.Errorf("token is good for longer than %v", outer.MaxTokenLife)
	case said.ID == "" || len(said.ID) > maxID:
		return enrol.Identity{}, errors.New("token has no id of sane length")
	}
	if len(exporter) > 0 {
		bound, err := base64.RawURLEncoding.DecodeString(said.Confirmation.Exporter)
		if err != nil || subtle.ConstantTimeCompare(bound, exporter) != 1 {
			return enrol.Identity{}, errors.New("token is of another connection")
		}
	}
	id, _ := outer.ParseSubject(said.Subject) // key has done so
	if !c.seen.first(id, said.ID, said.ExpiresAt.Add(leeway), now) {
		return enrol.Identity{}, errors.New("token was used already")
	}
	return id, nil
}

// key returns the key of who a token says it is from: a sensor's name is its key.
func key(t *jwt.Token) (any, error) {
	said, ok := t.Claims.(*claims)
	if !ok {
		return nil, errors.New("no claims")
	}
	id, ok := outer.ParseSubject(said.Subject)
	if !ok {
		return nil, errors.New("subject is no identity")
	}
	return ed25519.PublicKey(id[:]), nil
}

// seen remembers tokens until they are over.
type seen struct {
	mu    sync.Mutex
	until map[tokenID]time.Time
	order []tokenID // as they came, which is nearly as they are over
}

type tokenID struct {
	sensor enrol.Identity
	id     string
}

// first reports whether a token was not used before.
func (s *seen) first(sensor enrol.Identity, id string, until, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until == nil {
		s.until = map[tokenID]time.Time{}
	}
	for len(s.order) > 0 && (len(s.order) >= maxRemembered || s.until[s.order[0]].Before(now)) {
		delete(s.until, s.order[0])
		s.order = s.order[1:]
	}
	t := tokenID{sensor, id}
	if _, ok := s.until[t]; ok {
		return false
	}
	s.until[t] = until
	s.order = append(s.order, t)
	return true
}
