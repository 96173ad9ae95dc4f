package seal

import (
	"encoding/hex"
	"testing"
)

// The reference vector for 32 bytes: key 00 … 0f, input 00 … 1f
// (veorq/SipHash, vectors.h, vectors_sip64[32]).
func TestSipHashVector(t *testing.T) {
	var in [32]byte
	for i := range in {
		in[i] = byte(i)
	}
	got := newSipKey(in[:16]).sum(in[:16], in[16:])
	if want := "ce7cf2722f512771"; hex.EncodeToString(got[:]) != want {
		t.Errorf("sum = %x, want %s", got, want)
	}
}
