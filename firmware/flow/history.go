package flow

// Events of an end of a flow: the letters of its history, whether the
// sequence number of a TCP endpoint is known, and above them its state.
const (
	sentSYN = 1 << iota // without ACK
	sentSYNACK
	sentACK
	sentData
	sentFIN
	sentRST
	sentAgain
	sentGap
	sentZeroWindow
	sentBadFlags
	turned
	sentFINRST
	seqKnown

	letters   = "SHADFRTGWQ^I"
	stateFrom = 13 // bit of Side.seen
)

// A history is up to maxHistory letters of five bits, the upper one of which
// says whose it is, and their number above them.
type history uint64

const maxHistory = 12

// note enters an event of end into the history, once.
func (r *Record) note(end uint8, event uint16) {
	s := &r.Sides[end]
	if s.seen&event != 0 {
		return
	}
	s.seen |= event
	n := r.history >> 60
	if n == maxHistory {
		return
	}
	letter := history(end) << 4
	for e := event; e > 1; e >>= 1 {
		letter++
	}
	r.history = r.history&(1<<60-1) | letter<<(5*n) | (n+1)<<60
}

func (h history) appendTo(b []byte, client uint8) []byte {
	for n := h >> 60; n > 0; n-- {
		letter := letters[h&0xf]
		if uint8(h>>4&1) != client && letter != '^' {
			letter += 'a' - 'A'
		}
		b = append(b, letter)
		h >>= 5
	}
	return b
}
