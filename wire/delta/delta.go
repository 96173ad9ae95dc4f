// Package delta makes one system image of another and of the little that is
// different between them.
//
// What is different is found as bsdiff finds it (Colin Percival, "Naive
// differences of executable code", 2003): long runs that are almost the same are
// subtracted, and the differences, as numbers and where they are, compressed. A
// slot is mostly compressed data, in which one changed byte changes all that
// follows; so frames made by Compress are unpacked before the comparison, and
// made anew by the same encoder after it. Make proves that the result is the same
// to the bit.
//
// docs/format/update.md has the bytes. A patch is hostile until its digest was
// checked, and bounded even then. The encoder is part of the format: that is why
// this package, of wire, has a dependency.
package delta

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Bounds of a patch. What is held in memory at once, beside the patch, is every
// unpacked frame of the old image and one encoder.
const (
	MaxImage  = 256 << 20
	MaxFrames = 16
	MaxRaw    = 64 << 20 // of one frame, unpacked
)

const (
	magic    = "TPDELTA\x02"
	headSize = len(magic) + 2*8 + 2*2 + streams*4
	oldSize  = 3 * 8 // bytes of a frame in the old image
	newSize  = 2 * 8
)

var errPatch = errors.New("patch is damaged")

// A frame is a part of an image that is compressed.
type frame struct {
	at     int64 // of the old image: where it is; of the new one: where its unpacked bytes are among the unpacked
	packed int64 // valid for frames of the old image
	raw    int64
}

// head is what a patch begins with.
type head struct {
	old, new             int64 // bytes of the images
	oldFrames, newFrames []frame
	streams              [streams]int64 // bytes of each, compressed
}

// The streams of a patch.
const (
	control = iota // triples
	gaps           // how many bytes are the same before a difference, as uvarints
	values         // the differences, as varints
	literal        // bytes that are new
	streams
)

func (h head) append(b []byte) []byte {
	le := binary.LittleEndian
	b = append(b, magic...)
	b = le.AppendUint64(b, uint64(h.old))
	b = le.AppendUint64(b, uint64(h.new))
	b = le.AppendUint16(b, uint16(len(h.oldFrames)))
	b = le.AppendUint16(b, uint16(len(h.newFrames)))
	for _, n := range h.streams {
		b = le.AppendUint32(b, uint32(n))
	}
	for _, f := range h.oldFrames {
		b = le.AppendUint64(b, uint64(f.at))
		b = le.AppendUint64(b, uint64(f.packed))
		b = le.AppendUint64(b, uint64(f.raw))
	}
	for _, f := range h.newFrames {
		b = le.AppendUint64(b, uint64(f.at))
		b = le.AppendUint64(b, uint64(f.raw))
	}
	return b
}

// parseHead reads the head of a patch and returns the streams behind it.
func parseHead(b []byte) (h head, packed [streams][]byte, err error) {
	fail := func(what string) (head, [streams][]byte, error) {
		return head{}, packed, fmt.Errorf("%w: %s", errPatch, what)
	}
	if len(b) < headSize || string(b[:len(magic)]) != magic {
		return fail("not a patch of this format")
	}
	le := binary.LittleEndian
	at := len(magic)
	h.old, h.new = size(b[at:]), size(b[at+8:])
	nOld, nNew := int(le.Uint16(b[at+16:])), int(le.Uint16(b[at+18:]))
	for i := range h.streams {
		h.streams[i] = int64(le.Uint32(b[at+20+4*i:]))
	}
	if h.old > MaxImage || h.new > MaxImage || nOld > MaxFrames || nNew > MaxFrames {
		return fail("more than an image has")
	}
	b = b[headSize:]
	if len(b) < nOld*oldSize+nNew*newSize {
		return fail("cut short")
	}
	end := int64(0)
	for ; nOld > 0; nOld, b = nOld-1, b[oldSize:] {
		f := frame{size(b), size(b[8:]), size(b[16:])}
		if f.raw > MaxRaw || f.packed > h.old || f.at < end || f.at > h.old-f.packed {
			return fail("a frame is not in the old image")
		}
		end = f.at + f.packed
		h.oldFrames = append(h.oldFrames, f)
	}
	end = 0
	for ; nNew > 0; nNew, b = nNew-1, b[newSize:] {
		f := frame{at: size(b), raw: size(b[8:])}
		if f.raw > MaxRaw || f.at < end {
			return fail("frames are not in order")
		}
		end = f.at + f.raw
		h.newFrames = append(h.newFrames, f)
	}
	for i, n := range h.streams {
		if int64(len(b)) < n {
			return fail("cut short")
		}
		packed[i], b = b[:n], b[n:]
	}
	if len(b) > 0 {
		return fail("something is behind it")
	}
	return h, packed, nil
}

// size reads a number of bytes; one that is far too large stays so.
func size(b []byte) int64 {
	return int64(min(binary.LittleEndian.Uint64(b), math.MaxInt64/4))
}

// Need returns how many bytes of memory Apply takes beside the patch itself.
func Need(patch []byte) (int64, error) {
	h, _, err := parseHead(patch)
	if err != nil {
		return 0, err
	}
	need := int64(codecMemory)
	for _, f := range h.oldFrames {
		need += f.raw
	}
	return need, nil
}

// Make returns the patch that makes image new of image old.
func Make(old, new []byte) ([]byte, error) {
	if len(old) > MaxImage || len(new) > MaxImage {
		return nil, fmt.Errorf("making patch: images of %d and %d bytes, at most %d", len(old), len(new), MaxImage)
	}
	oldFrames, newFrames := different(frames(old), frames(new))
	oldRaw, _ := unpackAll(old, oldFrames)
	newRaw, newAt := unpackAll(new, newFrames)
	h := head{old: int64(len(old)), new: int64(len(new)), newFrames: newAt}
	for _, f := range oldFrames {
		h.oldFrames = append(h.oldFrames, frame{f.at, f.packed, int64(len(f.bytes))})
	}
	var patch []byte
	for i, raw := range compare(oldRaw, newRaw) {
		packed := pack(raw)
		h.streams[i] = int64(len(packed))
		patch = append(patch, packed...)
	}
	patch = append(h.append(nil), patch...)
	var check bytes.Buffer
	if err := Apply(&check, bytes.NewReader(old), patch); err != nil {
		return nil, fmt.Errorf("making patch: trying it: %w", err)
	}
	if !bytes.Equal(check.Bytes(), new) {
		return nil, errors.New("making patch: trying it gave another image")
	}
	return patch, nil
}

// Apply writes the image that patch makes of old. Who calls it checks the digest
// of the image.
func Apply(dst io.Writer, old io.ReaderAt, patch []byte) error {
	if err := apply(dst, old, patch); err != nil {
		return fmt.Errorf("applying patch: %w", err)
	}
	return nil
}

func apply(dst io.Writer, old io.ReaderAt, patch []byte) error {
	h, packed, err := parseHead(patch)
	if err != nil {
		return err
	}
	from, err := openOld(old, h)
	if err != nil {
		return err
	}
	var in [streams]*bufio.Reader
	for i, b := range packed {
		r, err := newUnpacker(bytes.NewReader(b))
		if err != nil {
			return fmt.Errorf("%w: %v", errPatch, err)
		}
		defer r.Close()
		in[i] = bufio.NewReader(r)
	}
	to := &packer{dst: dst, frames: h.newFrames, left: h.new}
	defer to.release()
	if err := merge(to, from, in); err != nil {
		return err
	}
	return to.end()
}
