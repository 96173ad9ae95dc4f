package record

// The coder of coded columns is an adaptive binary range coder, as that of LZMA:
// each bit costs what it surprises a model, which learns from it. Models begin
// anew with each column, as a batch is read by itself.
//
// Half of the bits of traffic are as likely 0 as 1, so there is no branch on
// them: a processor would guess wrong every second time.

// A model is what is expected of a bit: how likely it is 0, in 65536ths, and how
// many bits it has learnt from.
type model struct {
	zero uint16
	seen uint16
}

// slowest is after how many bits a model learns no slower. It is what keeps zero
// from 0 and 65536 too: a step of less than one in slowest is none.
const slowest = 40

var rates = func() (r [64]int64) {
	for n := range r {
		r[n] = int64(65536 * 10 / (10*min(n, slowest) + 16))
	}
	return r
}()

// split divides width by what m expects, keeps the part of a bit, and has m
// learn the bit: mask is all ones for 1. It returns what is below that part.
func (m *model) split(width, mask uint64) (part, below uint64) {
	zero, seen := int64(m.zero), m.seen&63
	bound := width >> 16 * uint64(zero)
	step := (int64(65535&^mask)-zero)*rates[seen] + int64(65535&mask) // towards 0
	m.zero, m.seen = uint16(zero+step>>16), min(seen+1, slowest)
	return bound ^ (bound^(width-bound))&mask, bound & mask
}

// fresh makes models that have seen nothing.
func fresh(models []model) {
	models[0] = model{zero: 1 << 15}
	for done := 1; done < len(models); done *= 2 {
		copy(models[done:], models[:done])
	}
}

// The coder's numbers have 48 bits; whenever the width has less than 32, two
// bytes are written.
const (
	coderWidth = 1 << 48
	coderLeast = 1 << 32
)

// An encoder appends bits to out.
type encoder struct {
	out   []byte
	start int // of the code in out
	low   uint64
	width uint64
}

func newEncoder(out []byte) encoder { return encoder{out: out, start: len(out), width: coderWidth} }

// shift writes the upper bytes of low, which change no more but for a carry.
func (e *encoder) shift(low, width uint64) (uint64, uint64) {
	if low >= coderWidth {
		for i := len(e.out) - 1; ; i-- {
			e.out[i]++
			if e.out[i] != 0 {
				break
			}
		}
	}
	e.out = append(e.out, byte(low>>40), byte(low>>32))
	return low & (coderLeast - 1) << 16, width << 16
}

func (e *encoder) bit(m *model, bit uint64) {
	part, below := m.split(e.width, -bit)
	if e.low, e.width = e.low+below, part; part < coderLeast {
		e.low, e.width = e.shift(e.low, e.width)
	}
}

// tree writes the n lowest bits of v, the upper first, each expected by those
// before it.
func (e *encoder) tree(models []model, v uint64, n int) {
	low, width := e.low, e.width
	at := uint64(1)
	for n--; n >= 0; n-- {
		bit := v >> (n & 63) & 1
		part, below := models[at].split(width, -bit)
		if low, width = low+below, part; part < coderLeast {
			low, width = e.shift(low, width)
		}
		at = at<<1 | bit
	}
	e.low, e.width = low, width
}

// rest writes the n lowest bits of v, of which nothing is expected.
func (e *encoder) rest(v uint64, n int) {
	for n > 0 {
		step := min(n, 16)
		n -= step
		e.width >>= step
		e.low += e.width * (v >> n & (1<<step - 1))
		if e.width < coderLeast {
			e.low, e.width = e.shift(e.low, e.width)
		}
	}
}

// end writes as few bytes as tell the code from all others: behind them stand
// zeros.
func (e *encoder) end() []byte {
	for keep := uint64(coderWidth); keep > 1; keep >>= 8 {
		if v := (e.low + keep - 1) &^ (keep - 1); v < e.low+e.width {
			e.low = v
			break
		}
	}
	for range 3 {
		e.low, e.width = e.shift(e.low, e.width)
	}
	for len(e.out) > e.start && e.out[len(e.out)-1] == 0 {
		e.out = e.out[:len(e.out)-1]
	}
	return e.out
}

// A decoder takes the bits of an encoder. It never ends: behind the code stand
// zeros.
type decoder struct {
	in    []byte
	code  uint64 // less than width, if an encoder made it
	width uint64
}

func newDecoder(in []byte) decoder {
	d := decoder{in: in}
	for range 3 {
		d.shift()
	}
	d.width = coderWidth
	return d
}

func (d *decoder) shift() {
	d.code, d.width = d.code<<16, d.width<<16
	switch {
	case len(d.in) > 1:
		d.code |= uint64(d.in[0])<<8 | uint64(d.in[1])
		d.in = d.in[2:]
	case len(d.in) == 1:
		d.code |= uint64(d.in[0]) << 8
		d.in = nil
	}
}

func (d *decoder) bit(m *model) uint64 {
	bound := d.width >> 16 * uint64(m.zero)
	bit := uint64(0)
	if d.code >= bound {
		bit = 1
	}
	part, below := m.split(d.width, -bit)
	if d.code, d.width = d.code-below, part; part < coderLeast {
		d.shift()
	}
	return bit
}

// tree returns n bits behind a one.
func (d *decoder) tree(models []model, n int) uint64 {
	code, width := d.code, d.width
	at := uint64(1)
	for range n {
		m := &models[at]
		bound := width >> 16 * uint64(m.zero)
		bit := uint64(0)
		if code >= bound {
			bit = 1
		}
		part, below := m.split(width, -bit)
		if code, width = code-below, part; part < coderLeast {
			d.code, d.width = code, width
			d.shift()
			code, width = d.code, d.width
		}
		at = at<<1 | bit
	}
	d.code, d.width = code, width
	return at
}

func (d *decoder) rest(n int) (v uint64) {
	for n > 0 {
		step := min(n, 16)
		n -= step
		d.width >>= step
		part := min(d.code/d.width, 1<<step-1) // more is in no encoder's code
		d.code -= part * d.width
		v = v<<step | part
		if d.width < coderLeast {
			d.shift()
		}
	}
	return v
}
