package delta

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// Numbers that differ by the same are the same difference, whatever their bytes
// carry, and wherever a run or a chunk ends.
func TestDifferences(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	old := make([]byte, 4000)
	for i := range old {
		old[i] = byte(r.IntN(256))
	}
	new := bytes.Clone(old)
	for at := 7; at+8 < len(new); at += 5 + r.IntN(20) {
		binary.LittleEndian.PutUint32(new[at:], binary.LittleEndian.Uint32(old[at:])+0x1fff)
	}
	new[len(new)-1]++ // a number that is cut off
	var out [streams][]byte
	half := len(old) / 2
	gap := appendDifferences(&out, 0, old[:half], new[:half])
	if gap = appendDifferences(&out, gap, old[half:], new[half:]); gap != 0 {
		t.Errorf("%d bytes are the same at the end, want 0", gap)
	}
	distinct := map[int64]bool{}
	for b := bytes.NewReader(out[values]); b.Len() > 0; {
		v, err := binary.ReadVarint(b)
		if err != nil {
			t.Fatal(err)
		}
		distinct[v] = true
	}
	if len(distinct) > 3 { // those that are cut in the middle and at the end
		t.Errorf("differences %v, want mostly one", distinct)
	}
	for _, chunk := range []int{1, 3, 1000, 5000} {
		got := bytes.Clone(old)
		d := differences{gaps: bufio.NewReader(bytes.NewReader(out[gaps])), values: bufio.NewReader(bytes.NewReader(out[values]))}
		for _, run := range [][]byte{got[:half], got[half:]} {
			for len(run) > 0 {
				n := min(chunk, len(run))
				if err := d.add(run[:n]); err != nil {
					t.Fatal(err)
				}
				run = run[n:]
			}
			d.end()
		}
		if !bytes.Equal(got, new) {
			t.Errorf("in chunks of %d bytes: not the same", chunk)
		}
	}
}

func TestDifferencesDamaged(t *testing.T) {
	for _, tt := range []struct{ gaps, values []byte }{
		{[]byte{0}, nil},
		{[]byte{0}, binary.AppendVarint(nil, 1<<31)},
		{[]byte{0x80}, []byte{2}},
	} {
		d := differences{gaps: bufio.NewReader(bytes.NewReader(tt.gaps)), values: bufio.NewReader(bytes.NewReader(tt.values))}
		if err := d.add(make([]byte, 100)); err == nil {
			t.Errorf("%v and %v are taken", tt.gaps, tt.values)
		}
	}
}
