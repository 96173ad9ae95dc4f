package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/taproot-sensor/taproot/cmd/taproot/internal/zeek"
	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/collector/lake"
	"github.com/taproot-sensor/taproot/collector/unpack"
	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/meter"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/record"
)

// A recordWriter takes what a meter says, batch by batch.
type recordWriter interface {
	// write takes a batch and what was in it.
	write(f batch.Frame, blocks []record.Block) error
	// close ends what was written; it is called once, even after an error.
	close() error
}

// meterTo runs a meter for each of sources and gives their records to writers,
// until the sources or ctx end. All that was metered until then is written.
func meterTo(ctx context.Context, cfg meter.Config, sources []capture.Source, writers []recordWriter) error {
	in, out := io.Pipe()
	cfg.Out = out
	var broken error
	var g errgroup.Group
	g.Go(func() error {
		defer out.Close()
		broken = meter.RunShards(ctx, cfg, sources)
		return nil
	})
	err := copyRecords(bufio.NewReaderSize(in, batch.MaxSize), writers)
	in.CloseWithError(err) // the meter stops where nobody reads
	for _, w := range writers {
		err = errors.Join(err, w.close())
	}
	if g.Wait(); err != nil {
		return err // the meter's is only that nobody reads
	}
	return broken
}

func copyRecords(in io.Reader, writers []recordWriter) error {
	u := unpack.New()
	for {
		f, err := batch.ReadFrame(in)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		blocks, err := u.Blocks(f.Batch)
		if err != nil {
			return err
		}
		for _, w := range writers {
			if err := w.write(f, blocks); err != nil {
				return err
			}
		}
	}
}

// jsonRecords writes a JSON object per line.
type jsonRecords struct {
	w     io.Writer
	quiet bool // nothing of the sensor itself
	file  *os.File
	lines []byte
}

func (j *jsonRecords) write(_ batch.Frame, blocks []record.Block) error {
	j.lines = j.lines[:0]
	for i := range blocks {
		if j.quiet && blocks[i].Kind == record.SensorDef.Kind {
			continue
		}
		for row := range blocks[i].Rows {
			j.lines = append(blocks[i].AppendJSON(j.lines, row), '\n')
		}
	}
	if len(j.lines) == 0 {
		return nil
	}
	if _, err := j.w.Write(j.lines); err != nil {
		return fmt.Errorf("writing records: %w", err)
	}
	return nil
}

func (j *jsonRecords) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}

// zeekRecords writes Zeek's logs.
type zeekRecords struct{ *zeek.Writer }

func (z zeekRecords) write(_ batch.Frame, blocks []record.Block) error {
	for i := range blocks {
		if err := z.Write(&blocks[i]); err != nil {
			return err
		}
	}
	return z.Flush()
}

func (z zeekRecords) close() error { return z.Close() }

// parquetRecords writes a lake: the collector's own, behind a journal that goes
// when the lake has all of it.
type parquetRecords struct {
	journal *journal.Journal
	dir     string // of the journal
	lake    *lake.Lake
	stop    context.CancelFunc
	run     errgroup.Group
	number  uint64
	failed  chan error // the first failure of the journal
}

// openParquet makes a lake in dir, which must be empty or not be there: the
// lake of a collector belongs to it alone.
func openParquet(dir string, log *slog.Logger) (*parquetRecords, error) {
	if names, err := os.ReadDir(dir); err == nil && len(names) > 0 {
		return nil, fmt.Errorf("making Parquet files: directory %q is not empty", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("making Parquet files: %w", err)
	}
	p := &parquetRecords{dir: filepath.Join(dir, "journal"), failed: make(chan error, 1)}
	var err error
	if err = os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making Parquet files: %w", err)
	}
	if p.journal, _, err = journal.Open(p.dir, journal.Options{}); err != nil {
		return nil, err
	}
	if p.lake, err = lake.Open(dir, lake.Options{Log: log}); err != nil {
		return nil, errors.Join(err, p.journal.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.run.Go(func() error { return p.lake.Run(ctx, p.journal) })
	return p, nil
}

func (p *parquetRecords) write(f batch.Frame, _ []record.Block) error {
	p.number++
	p.journal.WaitRoom()
	p.journal.Append(journal.Entry{Batch: p.number, Received: time.Now().UnixNano(), Body: f.Batch}, func(err error) {
		if err != nil {
			select {
			case p.failed <- err:
			default:
			}
		}
	})
	select {
	case err := <-p.failed:
		return err
	default:
		return nil
	}
}

func (p *parquetRecords) close() error {
	err := p.sync()
	if err == nil {
		err = p.lake.Flush(context.Background())
	}
	p.stop()
	err = errors.Join(err, p.run.Wait(), p.journal.Close())
	if err == nil {
		err = os.RemoveAll(p.dir)
	}
	return err
}

// sync waits until the last batch is durable, and with it all before.
func (p *parquetRecords) sync() error {
	done := make(chan error, 1)
	empty := batch.Append(nil, batch.None, 0, nil)
	p.number++
	p.journal.WaitRoom()
	p.journal.Append(journal.Entry{Batch: p.number, Received: time.Now().UnixNano(), Body: empty}, func(err error) { done <- err })
	return <-done
}
