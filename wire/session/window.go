package session

import (
	"encoding/binary"
	"fmt"
)

// windowSize is how many packet numbers below the highest one a Window tells
// apart. At 1200 bytes each it is 1.2 MB under way: 100 Mbit/s at 100 ms.
const windowSize = 1024

// A Window remembers which packet numbers have come, so that none is taken
// twice (RFC 4303, section 3.4.3). The zero Window has seen none.
type Window struct {
	next uint64 // one above the highest number that has come
	seen [windowSize / 64]uint64
}

// Fresh reports whether number has not come yet and is not too old to tell.
func (w *Window) Fresh(number uint64) bool {
	switch {
	case number >= w.next:
		return true
	case w.next-number > windowSize:
		return false
	}
	return w.seen[number/64%uint64(len(w.seen))]>>(number%64)&1 == 0
}

// Next returns one above the highest number that has come.
func (w *Window) Next() uint64 { return w.next }

// Mark notes that number has come. Only what was opened may be marked.
func (w *Window) Mark(number uint64) {
	if number >= w.next {
		if number-w.next >= windowSize {
			w.seen = [windowSize / 64]uint64{}
		} else {
			for n := w.next; n <= number; n++ {
				w.seen[n/64%uint64(len(w.seen))] &^= 1 << (n % 64)
			}
		}
		w.next = number + 1
	}
	w.seen[number/64%uint64(len(w.seen))] |= 1 << (number % 64)
}

// Received returns what has come of the last ReceivedSize packet numbers.
func (w *Window) Received() Received {
	r := Received{Next: w.next}
	for i := range uint64(8 * len(r.Before)) {
		if i+2 > w.next || i+2 > windowSize { // before the first, or too old to tell
			break
		}
		if !w.Fresh(w.next - 2 - i) {
			r.Before[i/8] |= 1 << (i % 8)
		}
	}
	return r
}

// Received says which packets have come: the highest, and a bit for each one
// before it.
type Received struct {
	Next   uint64    // one above the highest packet number that has come; 0 for none
	Before [128]byte // bit i%8 of byte i/8 is set if Next-2-i has come
}

// Has reports whether packet number is known to have come.
func (r *Received) Has(number uint64) bool {
	if number+1 >= r.Next {
		return number+1 == r.Next
	}
	i := r.Next - 2 - number
	return i < uint64(8*len(r.Before)) && r.Before[i/8]>>(i%8)&1 != 0
}

func (r *Received) append(dst []byte) []byte {
	n := len(r.Before)
	for n > 0 && r.Before[n-1] == 0 {
		n--
	}
	dst = binary.BigEndian.AppendUint64(dst, r.Next)
	dst = append(dst, byte(n))
	return append(dst, r.Before[:n]...)
}

func (r *Received) parse(b []byte) ([]byte, error) {
	if len(b) < 9 || len(b) < 9+int(b[8]) || int(b[8]) > len(r.Before) {
		return nil, fmt.Errorf("packets are %w", errShort)
	}
	r.Next = binary.BigEndian.Uint64(b)
	n := 9 + int(b[8])
	copy(r.Before[:], b[9:n])
	return b[n:], nil
}
