package delta

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"index/suffixarray"
	"io"
)

// A triple of the control stream: so many bytes that are the old ones plus the
// differences, so many that are in literal, and how far to go in the old image
// before the next triple. The first two are uvarints, the last is a varint.
type triple struct{ add, literal, seek int64 }

func (t triple) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(t.add))
	b = binary.AppendUvarint(b, uint64(t.literal))
	return binary.AppendVarint(b, t.seek)
}

// readTriple returns io.EOF behind the last one.
func readTriple(r io.ByteReader) (t triple, err error) {
	add, err := binary.ReadUvarint(r)
	if err != nil {
		return t, err
	}
	literal, err := binary.ReadUvarint(r)
	if err == nil {
		t.seek, err = binary.ReadVarint(r)
	}
	if err != nil {
		return t, fmt.Errorf("%w: control: %v", errPatch, err)
	}
	if add > MaxImage || literal > MaxImage || t.seek < -2*MaxImage || t.seek > 2*MaxImage {
		return t, fmt.Errorf("%w: reads outside of the old image", errPatch)
	}
	t.add, t.literal = int64(add), int64(literal)
	return t, nil
}

// wordSize is how many bytes a difference is for. What differs in a program that
// was compiled anew is mostly addresses and distances: numbers of four bytes, of
// which many differ by the same. One of eight bytes differs in its lower half.
const wordSize = 4

// appendDifferences appends what makes new of old, which are of one length, to
// gaps and values. gap is how many bytes before them are the same; it returns how
// many at their end are.
func appendDifferences(out *[streams][]byte, gap uint64, old, new []byte) uint64 {
	for i := 0; i < len(new); {
		if old[i] == new[i] {
			gap++
			i++
			continue
		}
		out[gaps] = binary.AppendUvarint(out[gaps], gap)
		var o, n [wordSize]byte
		copy(o[:], old[i:])
		copy(n[:], new[i:])
		d := binary.LittleEndian.Uint32(n[:]) - binary.LittleEndian.Uint32(o[:])
		out[values] = binary.AppendVarint(out[values], int64(int32(d)))
		gap = 0
		i += wordSize
	}
	return gap
}

// differences adds what appendDifferences has found.
type differences struct {
	gaps, values *bufio.Reader
	zeros        uint64 // bytes before the next difference
	begun, ended bool   // zeros was read; there are no more

	word, carry uint32
	left        int // bytes that word is still for
}

// add adds the next differences to b. Behind the last gap nothing differs.
func (d *differences) add(b []byte) error {
	for len(b) > 0 {
		if d.left > 0 {
			sum := uint32(b[0]) + d.word&0xff + d.carry
			b[0], d.carry = byte(sum), sum>>8
			d.word >>= 8
			d.left--
			b = b[1:]
			continue
		}
		if d.ended {
			return nil
		}
		if !d.begun {
			n, err := binary.ReadUvarint(d.gaps)
			if err == io.EOF {
				d.ended = true
				return nil
			}
			if err != nil {
				return fmt.Errorf("%w: gaps: %v", errPatch, err)
			}
			d.zeros, d.begun = n, true
		}
		if skip := min(d.zeros, uint64(len(b))); skip > 0 {
			b, d.zeros = b[skip:], d.zeros-skip
			continue
		}
		v, err := binary.ReadVarint(d.values)
		if err != nil || v != int64(int32(v)) {
			return fmt.Errorf("%w: a difference is missing or too large: %v", errPatch, err)
		}
		d.word, d.carry, d.left, d.begun = uint32(v), 0, wordSize, false
	}
	return nil
}

// end ends a run: a difference is for no byte behind it.
func (d *differences) end() { d.left = 0 }

// better is by how many bytes a match elsewhere must beat going on where the
// last one was (bsdiff.c has 8).
const better = 8

// compare returns the streams that make new of old.
func compare(old, new []byte) (out [streams][]byte) {
	gap := uint64(0)
	sa := sorted(old)
	var scan, match, pos, lastScan, lastPos, lastOffset int
	for scan < len(new) {
		oldScore := 0
		scan += match
		for seen := scan; scan < len(new); scan++ {
			pos, match = longest(sa, old, new[scan:])
			for ; seen < scan+match; seen++ {
				if at := seen + lastOffset; at >= 0 && at < len(old) && old[at] == new[seen] {
					oldScore++
				}
			}
			if match == oldScore && match != 0 || match > oldScore+better {
				break
			}
			if at := scan + lastOffset; at >= 0 && at < len(old) && old[at] == new[scan] {
				oldScore--
			}
		}
		if match == oldScore && scan < len(new) {
			continue
		}
		forward := extend(old[lastPos:], new[lastScan:scan])
		back := 0
		if scan < len(new) {
			back = extendBack(old[:pos], new[lastScan:scan])
		}
		if overlap := lastScan + forward - (scan - back); overlap > 0 {
			keep := split(old[lastPos+forward-overlap:], new[lastScan+forward-overlap:], old[pos-back:], new[scan-back:], overlap)
			forward += keep - overlap
			back -= keep
		}
		gap = appendDifferences(&out, gap, old[lastPos:lastPos+forward], new[lastScan:lastScan+forward])
		out[literal] = append(out[literal], new[lastScan+forward:scan-back]...)
		out[control] = triple{int64(forward), int64(scan - back - lastScan - forward), int64(pos - back - lastPos - forward)}.append(out[control])
		lastScan, lastPos, lastOffset = scan-back, pos-back, pos-scan
	}
	return out
}

// extend returns how far a and b are, from their beginnings, more the same than
// not.
func extend(a, b []byte) (length int) {
	score, best := 0, 0
	for i := range min(len(a), len(b)) {
		if a[i] == b[i] {
			score++
		}
		if 2*score-i-1 > 2*best-length {
			best, length = score, i+1
		}
	}
	return length
}

// extendBack is extend from the ends.
func extendBack(a, b []byte) (length int) {
	score, best := 0, 0
	for i := 1; i <= min(len(a), len(b)); i++ {
		if a[len(a)-i] == b[len(b)-i] {
			score++
		}
		if 2*score-i > 2*best-length {
			best, length = score, i
		}
	}
	return length
}

// split returns how many of n bytes that two matches claim go to the first.
func split(oldFirst, newFirst, oldSecond, newSecond []byte, n int) (keep int) {
	score, best := 0, 0
	for i := range n {
		if oldFirst[i] == newFirst[i] {
			score++
		}
		if oldSecond[i] == newSecond[i] {
			score--
		}
		if score > best {
			best, keep = score, i+1
		}
	}
	return keep
}

// sorted returns the suffixes of b in order. Index does not show them, but looked
// up by their first byte they come in the order that it keeps them in; were that
// to change, patches would become larger, not wrong.
func sorted(b []byte) []int32 {
	index := suffixarray.New(b)
	sa := make([]int32, 0, len(b))
	for first := range 256 {
		for _, at := range index.Lookup([]byte{byte(first)}, -1) {
			sa = append(sa, int32(at))
		}
	}
	return sa
}

// longest returns where in old the longest beginning of want is, and its length.
func longest(sa []int32, old, want []byte) (pos, length int) {
	low, high := 0, len(sa)
	for high-low > 1 {
		mid := (low + high) / 2
		suffix := old[sa[mid]:]
		if n := min(len(suffix), len(want)); bytes.Compare(suffix[:n], want[:n]) <= 0 {
			low = mid
		} else {
			high = mid
		}
	}
	for _, i := range []int{low, high} {
		if i < len(sa) {
			if n := common(old[sa[i]:], want); n > length {
				pos, length = int(sa[i]), n
			}
		}
	}
	return pos, length
}

// common returns how many bytes a and b have in common at their beginnings.
func common(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+8 <= n && binary.LittleEndian.Uint64(a[i:]) == binary.LittleEndian.Uint64(b[i:]); i += 8 {
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// maxTriples bounds how long a patch that says little may take. Real ones have
// thousands.
const maxTriples = 1 << 22

// mergeChunk is how much is merged at once.
const mergeChunk = 64 << 10

// merge writes what the streams make of old.
func merge(dst io.Writer, old *oldImage, in [streams]*bufio.Reader) error {
	buf := make([]byte, mergeChunk)
	diff := differences{gaps: in[gaps], values: in[values]}
	at := int64(0)
	for range maxTriples {
		t, err := readTriple(in[control])
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if t.add > old.size || at > old.size-t.add || at < 0 {
			return fmt.Errorf("%w: reads outside of the old image", errPatch)
		}
		for left := t.add; left > 0; {
			n := min(left, mergeChunk)
			if err := old.readFull(buf[:n], at); err != nil {
				return err
			}
			if err := diff.add(buf[:n]); err != nil {
				return err
			}
			if _, err := dst.Write(buf[:n]); err != nil {
				return err
			}
			at, left = at+n, left-n
		}
		diff.end()
		switch n, err := io.CopyBuffer(dst, io.LimitReader(in[literal], t.literal), buf); {
		case err != nil:
			return err
		case n < t.literal:
			return fmt.Errorf("%w: new bytes are missing", errPatch)
		}
		at += t.seek
	}
	return fmt.Errorf("%w: more than %d steps", errPatch, maxTriples)
}

var errLonger = errors.New("image is larger than the patch says")
