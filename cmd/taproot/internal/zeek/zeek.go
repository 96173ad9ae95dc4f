// Package zeek writes records as Zeek's logs: conn.log, dns.log, ssl.log and
// others of the same columns, in its tab-separated format, so that what reads
// the logs of "zeek -r" reads these.
//
// A Writer takes parsed blocks of wire/record; logs.go has which column comes
// from where. What a record does not know is unset ("-"), never guessed, with
// these exceptions: orig_ip_bytes and resp_ip_bytes are of the frames without
// their Ethernet headers, so that the padding of short frames counts; TTLs
// repeats the least TTL for each answer; established means that the server
// answered; all ICMP between two hosts is one line, and the last ACK counts into
// the duration. A flow that the sensor reports in pieces, for its length, has a
// line for each. Fields of common Zeek packages (community_id, ja3, ja4, hassh) stand
// behind Zeek's own.
package zeek

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/taproot-sensor/taproot/wire/record"
)

// A Writer writes logs into a directory. A log is made with its first line.
type Writer struct {
	dir  string
	salt string
	now  func() time.Time
	logs map[string]*logFile // by path
	line []byte
	web  map[uint64]uint64 // HTTP transactions so far, by flow
}

// New returns a Writer of logs in dir, which must exist. The same salt gives
// the same flows the same uids.
func New(dir, salt string) *Writer {
	return &Writer{dir: dir, salt: salt, now: time.Now, logs: make(map[string]*logFile), web: make(map[uint64]uint64)}
}

// logFile is one open log.
type logFile struct {
	f *os.File
	w *bufio.Writer
}

// Write writes the records of a block; kinds without a log are left out.
func (w *Writer) Write(b *record.Block) error {
	def, ok := logs[b.Kind]
	if !ok {
		return nil
	}
	l, err := w.open(&def)
	if err != nil {
		return err
	}
	r := newRow(w, b)
	for r.next() {
		w.line = w.line[:0]
		for i, f := range def.fields {
			if i > 0 {
				w.line = append(w.line, '\t')
			}
			at := len(w.line)
			if w.line = f.value(w.line, r); len(w.line) == at {
				w.line = append(w.line, unset)
			}
		}
		if _, err := l.w.Write(append(w.line, '\n')); err != nil {
			return fmt.Errorf("writing %s.log: %w", def.path, err)
		}
	}
	return nil
}

// Flush hands what was written to the system.
func (w *Writer) Flush() error {
	for path, l := range w.logs {
		if err := l.w.Flush(); err != nil {
			return fmt.Errorf("writing %s.log: %w", path, err)
		}
	}
	return nil
}

// Close ends the logs.
func (w *Writer) Close() (err error) {
	for path, l := range w.logs {
		fmt.Fprintf(l.w, "#close\t%s\n", w.stamp())
		if e := errors.Join(l.w.Flush(), l.f.Close()); e != nil {
			err = errors.Join(err, fmt.Errorf("writing %s.log: %w", path, e))
		}
	}
	clear(w.logs)
	return err
}

func (w *Writer) stamp() string { return w.now().Format("2006-01-02-15-04-05") }

// open returns the log that def describes, with its head.
func (w *Writer) open(def *log) (*logFile, error) {
	if l := w.logs[def.path]; l != nil {
		return l, nil
	}
	f, err := os.Create(filepath.Join(w.dir, def.path+".log"))
	if err != nil {
		return nil, err
	}
	l := &logFile{f, bufio.NewWriterSize(f, 64<<10)}
	fmt.Fprintf(l.w, "#separator \\x09\n#set_separator\t%c\n#empty_field\t%s\n#unset_field\t%c\n#path\t%s\n#open\t%s\n#fields",
		setSeparator, empty, unset, def.path, w.stamp())
	for _, f := range def.fields {
		fmt.Fprintf(l.w, "\t%s", f.name)
	}
	fmt.Fprint(l.w, "\n#types")
	for _, f := range def.fields {
		fmt.Fprintf(l.w, "\t%s", f.typ)
	}
	fmt.Fprintln(l.w)
	w.logs[def.path] = l
	return l, nil
}
