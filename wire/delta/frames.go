package delta

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// The encoder of frames. Its output is part of the format, so that another
// version of it that writes other bytes costs whole images instead of patches,
// until both ends have it; Make notices.
//
// Kernels refuse a window of more than 8 MiB, and half of that costs under one
// percent in size and leaves 4 MiB more to a machine that has 128. The level is
// not the best one, whose tables take 34 MiB: a sensor has to do this too.
const (
	window = 4 << 20
	level  = zstd.SpeedBetterCompression

	// codecMemory is what encoder and decoders take: an encoder with its
	// window twice and its tables, and three decoders with a window each.
	codecMemory = 32 << 20
)

// frameMagic begins a zstd frame (RFC 8878, section 3.1.1).
const frameMagic = "\x28\xb5\x2f\xfd"

// minFrame is the least size of a frame that is worth to be unpacked.
const minFrame = 64 << 10

// Compress appends data to dst as one frame that Make can look into.
func Compress(dst, data []byte) []byte {
	var out bytes.Buffer
	enc := newEncoder(&out)
	enc.Write(data) // neither fails: a Buffer does not
	enc.Close()
	return append(dst, out.Bytes()...)
}

// newEncoder returns the encoder of frames.
func newEncoder(w io.Writer) *zstd.Encoder {
	enc, err := zstd.NewWriter(w, zstd.WithEncoderLevel(level), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window))
	if err != nil { // options that are constants
		panic(err)
	}
	return enc
}

// pack compresses a stream of a patch, as well as it goes: on the bench.
func pack(data []byte) []byte {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window))
	if err != nil { // options that are constants
		panic(err)
	}
	defer enc.Close()
	return enc.EncodeAll(data, nil)
}

// newUnpacker returns the reader of a compressed stream.
func newUnpacker(r io.Reader) (*zstd.Decoder, error) {
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(2*window), zstd.WithDecoderLowmem(true))
}

// unpackFrame unpacks the one frame that packed begins with.
func unpackFrame(packed io.Reader, limit int64) ([]byte, error) {
	r, err := newUnpacker(packed)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("more than %d bytes", limit)
	}
	return raw, err
}

// An unpacked is a frame of an image, and what it holds.
type unpacked struct {
	at, packed int64
	bytes      []byte
}

// frames finds the frames of an image that Compress has made.
func frames(image []byte) (found []unpacked) {
	for at := 0; len(found) < MaxFrames; {
		i := bytes.Index(image[at:], []byte(frameMagic))
		if i < 0 {
			break
		}
		at += i
		n := frameLength(image[at:])
		if n >= minFrame {
			raw, err := unpackFrame(bytes.NewReader(image[at:at+n]), MaxRaw)
			if err == nil && bytes.Equal(Compress(nil, raw), image[at:at+n]) {
				found = append(found, unpacked{int64(at), int64(n), raw})
				at += n
				continue
			}
		}
		at += len(frameMagic)
	}
	return found
}

// frameLength returns how long the frame is that b begins with, or 0 (RFC 8878,
// sections 3.1.1.1 and 3.1.1.2).
func frameLength(b []byte) int {
	var h zstd.Header
	if h.Decode(b) != nil || h.Skippable {
		return 0
	}
	at := h.HeaderSize
	for {
		if at+3 > len(b) {
			return 0
		}
		block := int(b[at]) | int(b[at+1])<<8 | int(b[at+2])<<16
		at += 3
		switch kind := block >> 1 & 3; kind {
		case 1: // one byte, repeated
			at++
		case 3: // reserved
			return 0
		default:
			at += block >> 3
		}
		if block&1 == 1 {
			break
		}
	}
	if h.HasCheckSum {
		at += 4
	}
	if at > len(b) {
		return 0
	}
	return at
}

// different leaves out the frames that both images have: they are as good packed.
func different(old, new []unpacked) (o, n []unpacked) {
	only := func(all, other []unpacked) (rest []unpacked) {
		for _, f := range all {
			same := false
			for _, g := range other {
				same = same || bytes.Equal(f.bytes, g.bytes)
			}
			if !same {
				rest = append(rest, f)
			}
		}
		return rest
	}
	return only(old, new), only(new, old)
}

// unpackAll returns image with the frames unpacked, and where they are in that.
func unpackAll(image []byte, found []unpacked) (raw []byte, at []frame) {
	end := int64(0)
	for _, f := range found {
		raw = append(raw, image[end:f.at]...)
		at = append(at, frame{at: int64(len(raw)), raw: int64(len(f.bytes))})
		raw = append(raw, f.bytes...)
		end = f.at + f.packed
	}
	return append(raw, image[end:]...), at
}

// An oldImage reads an image as if its frames were unpacked.
type oldImage struct {
	src   io.ReaderAt
	parts []part
	size  int64
}

// A part of an old image is a stretch of it, or what a frame of it held.
type part struct {
	start, size int64 // among the unpacked bytes
	at          int64 // in src; valid iff bytes is nil
	bytes       []byte
}

// openOld unpacks the frames of an image that a patch names.
func openOld(src io.ReaderAt, h head) (*oldImage, error) {
	o := &oldImage{src: src}
	end := int64(0)
	add := func(p part) {
		p.start = o.size
		if o.size += p.size; p.size > 0 {
			o.parts = append(o.parts, p)
		}
	}
	for _, f := range h.oldFrames {
		add(part{at: end, size: f.at - end})
		raw, err := unpackFrame(io.NewSectionReader(src, f.at, f.packed), f.raw)
		if err != nil {
			return nil, fmt.Errorf("unpacking what runs: %w", err)
		}
		if int64(len(raw)) != f.raw {
			return nil, fmt.Errorf("unpacking what runs: %d bytes, the patch is for %d", len(raw), f.raw)
		}
		add(part{size: f.raw, bytes: raw})
		end = f.at + f.packed
	}
	add(part{at: end, size: h.old - end})
	return o, nil
}

// readFull fills b from at, which is in the image with all of b.
func (o *oldImage) readFull(b []byte, at int64) error {
	for _, p := range o.parts {
		if len(b) == 0 {
			return nil
		}
		if at >= p.start+p.size {
			continue
		}
		n := min(int64(len(b)), p.start+p.size-at)
		if p.bytes != nil {
			copy(b[:n], p.bytes[at-p.start:])
		} else if _, err := o.src.ReadAt(b[:n], p.at+at-p.start); err != nil && !(err == io.EOF) {
			return fmt.Errorf("reading what runs: %w", err)
		}
		b, at = b[n:], at+n
	}
	if len(b) > 0 {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// A packer writes an image of which some parts come unpacked.
type packer struct {
	dst    io.Writer
	frames []frame // those that are to come
	at     int64   // unpacked bytes so far
	left   int64   // bytes that dst may still get
	enc    *zstd.Encoder
}

// Write takes the next unpacked bytes.
func (p *packer) Write(b []byte) (int, error) {
	total := len(b)
	for len(b) > 0 {
		n := int64(len(b))
		switch {
		case p.enc != nil: // within a frame
			n = min(n, p.frames[0].at+p.frames[0].raw-p.at)
			if _, err := p.enc.Write(b[:n]); err != nil {
				return 0, err
			}
		case len(p.frames) > 0 && p.at == p.frames[0].at:
			p.enc, n = newEncoder(limited{p}), 0
		default:
			if len(p.frames) > 0 {
				n = min(n, p.frames[0].at-p.at)
			}
			if _, err := (limited{p}).Write(b[:n]); err != nil {
				return 0, err
			}
		}
		b, p.at = b[n:], p.at+n
		if p.enc != nil && p.at == p.frames[0].at+p.frames[0].raw {
			if err := p.enc.Close(); err != nil {
				return 0, err
			}
			p.enc, p.frames = nil, p.frames[1:]
		}
	}
	return total, nil
}

// end returns an error unless the image is whole.
func (p *packer) end() error {
	if p.left != 0 || len(p.frames) > 0 || p.enc != nil {
		return fmt.Errorf("%w: image is not whole", errPatch)
	}
	return nil
}

// release gives back what the encoder of an unfinished frame holds.
func (p *packer) release() {
	if p.enc != nil {
		p.enc.Reset(nil)
	}
}

// limited writes to the packer's dst no more than its image has.
type limited struct{ p *packer }

func (l limited) Write(b []byte) (int, error) {
	if l.p.left -= int64(len(b)); l.p.left < 0 {
		return 0, errLonger
	}
	return l.p.dst.Write(b)
}
