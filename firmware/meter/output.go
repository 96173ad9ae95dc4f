package meter

import (
	"bytes"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/taproot-sensor/taproot/firmware/asset"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/record"
)

// batchRaw is how many bytes of blocks make a batch, by the estimate of
// record.Builder, which is four times too low at worst: all of batch.MaxRaw then.
// Half as much makes flow records 4 % larger, twice as much gains no more where
// addresses do not come again, and a batch that is lost or late matters more.
const batchRaw = 128 << 10

// An output packs records into batches and writes them.
type output struct {
	w       io.Writer
	maxAge  time.Duration
	enc     *zstd.Encoder
	records packer
	health  packer
	raw     []byte // scratch
	body    bytes.Buffer
	err     error           // of the first Write that failed; all after it is lost
	notes   *asset.Notes    // are shown each record first; may be nil
	kinds   map[string]bool // that are wanted

	count outputCounts
}

type outputCounts struct {
	batches, rawBytes, batchBytes uint64
	oversize                      uint64 // records of batches that no collector would take
}

// A packer gathers the records of one batch.
type packer struct {
	class    batch.Class
	builders []*builder
	size     int       // about the bytes of all blocks
	rows     int       // of all builders
	since    time.Time // when it was last empty; zero at first, so the first batch goes at once
}

type builder struct {
	*record.Builder
	def    *record.Def
	kind   string
	size   int
	count  uint64 // records since the start
	wanted bool
}

func newOutput(w io.Writer, maxAge time.Duration, kinds map[string]bool) *output {
	// The window is as large as a batch, so the encoder needs little memory.
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(2*batchRaw),
		zstd.WithLowerEncoderMem(true),
		zstd.WithEncoderCRC(false)) // the seal is a better checksum
	if err != nil {
		panic(err) // the options are constants
	}
	return &output{
		w:       w,
		maxAge:  maxAge,
		kinds:   kinds,
		enc:     enc,
		records: packer{class: batch.Records},
		health:  packer{class: batch.Health},
	}
}

// add packs a record of kind def. It is a function as record.Append is.
func add[T any](o *output, def *record.Def, rec *T) {
	if o.notes != nil {
		o.notes.Observe(rec)
	}
	p := &o.records
	if def == record.SensorDef {
		p = &o.health
	}
	b := o.builder(p, def)
	if !b.wanted {
		return
	}
	record.Append(b.Builder, rec)
	b.count++
	size := b.Size()
	p.size += size - b.size
	b.size = size
	p.rows++
	if p.size >= batchRaw || b.Full() { // a flood of one ARP has records of six bytes
		o.write(p)
	}
}

// builder returns the builder of p of kind def. There are few kinds.
func (o *output) builder(p *packer, def *record.Def) *builder {
	for _, b := range p.builders {
		if b.def == def {
			return b
		}
	}
	b := &builder{Builder: record.NewBuilder(def), def: def, kind: def.Kind, wanted: o.kinds[def.Kind] || def == record.SensorDef}
	p.builders = append(p.builders, b)
	return b
}

// added returns how many records of a kind there were.
func (o *output) added(kind string) uint64 {
	for _, p := range []*packer{&o.records, &o.health} {
		for _, b := range p.builders {
			if b.kind == kind {
				return b.count
			}
		}
	}
	return 0
}

// advance writes the batches whose first record has waited for long enough.
func (o *output) advance(now time.Time) {
	for _, p := range []*packer{&o.health, &o.records} {
		switch {
		case p.rows == 0:
			p.since = now
		case now.Sub(p.since) >= o.maxAge:
			o.write(p)
			p.since = now
		}
	}
}

// flush writes what is left and returns the error of the first write that
// failed.
func (o *output) flush() error {
	o.write(&o.records)
	o.write(&o.health)
	return o.err
}

// codeBlock is how much code of coded columns is a block of zstd's own: it would
// spoil the statistics of what is around it, and less of it is not worth the
// head of a block.
const codeBlock = 4 << 10

// compress makes part of a batch a block of zstd's.
func (o *output) compress(part []byte) {
	_, err := o.enc.Write(part)
	if err == nil {
		err = o.enc.Flush()
	}
	if err != nil { // memory takes it
		panic(err)
	}
}

// write sends the records of p as one batch.
func (o *output) write(p *packer) {
	if p.rows == 0 || o.err != nil {
		return
	}
	o.raw = o.raw[:0]
	o.body.Reset()
	o.enc.Reset(&o.body)
	packed := 0 // bytes of raw that the encoder has
	var kinds []batch.KindCount
	for _, b := range p.builders {
		if b.Rows() > 0 {
			kinds = append(kinds, batch.KindCount{Kind: b.kind, Records: b.Rows()})
		}
		o.raw = b.AppendBlock(o.raw)
		if code := b.CodeSize(); b.Rows() > 0 && code >= codeBlock {
			o.compress(o.raw[packed : len(o.raw)-code])
			o.compress(o.raw[len(o.raw)-code:])
			packed = len(o.raw)
		}
		b.Reset()
		b.size = 0
	}
	o.compress(o.raw[packed:])
	if err := o.enc.Close(); err != nil { // memory takes it
		panic(err)
	}
	bytes := batch.Append(nil, batch.Zstd, len(o.raw), o.body.Bytes())
	rows := p.rows
	p.size, p.rows = 0, 0
	if len(o.raw) > batch.MaxRaw || len(bytes) > batch.MaxSize { // numbers that nobody has, or forged ones
		o.count.oversize += uint64(rows)
		return
	}
	if err := batch.WriteFrame(o.w, batch.Frame{Class: p.class, Records: rows, Kinds: kinds, Batch: bytes}); err != nil {
		o.err = fmt.Errorf("writing batch: %w", err)
	}
	o.count.batches++
	o.count.rawBytes += uint64(len(o.raw))
	o.count.batchBytes += uint64(len(bytes))
}
