package outer

// A sensor knocks before it begins a DTLS handshake. The port answers with a
// cookie and keeps nothing; the sensor knocks again with it, and has then shown
// that it receives where it says, without a handshake that takes room. Who does
// not knock may begin one too, while there are not many. Neither is a datagram
// of package session, and no DTLS record begins like them (RFC 7983, section 7).
const (
	knockHead  = "tp\x01\x41"
	answerHead = "tp\x01\x42"
	// knockSize is more than an answer has, which is for nobody to make use of.
	knockSize = 64
)

// A KnockCookie is what the second knock repeats. The first has zeros.
type KnockCookie [16]byte

// AppendKnock appends a knock.
func AppendKnock(dst []byte, c KnockCookie) []byte {
	var d [knockSize]byte
	copy(d[:], knockHead)
	copy(d[len(knockHead):], c[:])
	return append(dst, d[:]...)
}

// ParseKnock reads what AppendKnock wrote. Not ok if d is another datagram.
func ParseKnock(d []byte) (c KnockCookie, ok bool) {
	if len(d) != knockSize || string(d[:len(knockHead)]) != knockHead {
		return c, false
	}
	return KnockCookie(d[len(knockHead):]), true
}

// AppendKnockAnswer appends the answer to a knock.
func AppendKnockAnswer(dst []byte, c KnockCookie) []byte {
	return append(append(dst, answerHead...), c[:]...)
}

// ParseKnockAnswer reads what AppendKnockAnswer wrote. Not ok if d is another
// datagram.
func ParseKnockAnswer(d []byte) (c KnockCookie, ok bool) {
	if len(d) != len(answerHead)+len(c) || string(d[:len(answerHead)]) != answerHead {
		return c, false
	}
	return KnockCookie(d[len(answerHead):]), true
}
