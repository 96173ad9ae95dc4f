package session

import (
	"errors"
	"fmt"

	"github.com/taproot-sensor/taproot/wire/seal"
)

// About says what an ASK is about, and the ANSWER to it.
type About uint8

// Certificate asks for one: the ASK holds a PKCS #10 request (DER), the ANSWER
// the certificate that the site's authority made of it (DER, one or more of
// them in a row, the sensor's first), or nothing where there is none to be had.
const Certificate About = 1

// A Note is the plaintext of an ASK, or of the ANSWER to it. Asking twice is
// harmless, so a sensor asks again until the ANSWER comes.
type Note struct {
	About About
	Body  []byte
}

// MaxNote is how many bytes of a body fit into one datagram.
const MaxNote = seal.MaxPlain - 1

// Append appends n.
func (n *Note) Append(dst []byte) []byte { return append(append(dst, byte(n.About)), n.Body...) }

// ParseNote reads the plaintext of an ASK or ANSWER. What it is about may be
// unknown to this version. Body shares memory with b.
func ParseNote(b []byte) (Note, error) {
	switch {
	case len(b) < 1:
		return Note{}, fmt.Errorf("parsing note: %w", errShort)
	case len(b) > 1+MaxNote:
		return Note{}, fmt.Errorf("parsing note: %d bytes, at most %d fit", len(b), 1+MaxNote)
	case b[0] == 0:
		return Note{}, errors.New("parsing note: about nothing")
	}
	return Note{About(b[0]), b[1:]}, nil
}
