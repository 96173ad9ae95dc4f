package control

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/collector/unpack"
)

// stream is an answer of JSON lines. What is written reaches the client at
// once.
type stream struct {
	w     http.ResponseWriter
	begun bool
}

func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "application/x-ndjson")
	return &stream{w: w}
}

func (s *stream) Write(b []byte) (int, error) {
	s.begun = true
	n, err := s.w.Write(b)
	if err == nil {
		err = http.NewResponseController(s.w).Flush()
	}
	return n, err
}

// finish ends the answer: with a status while that is possible, else with a
// last line that has the error.
func (s *stream) finish(err error) {
	switch {
	case err == nil:
	case !s.begun:
		http.Error(s.w, err.Error(), http.StatusBadRequest)
	default:
		line, _ := json.Marshal(streamError{err.Error()}) // a text always marshals
		s.Write(append(line, '\n'))
	}
}

// streamError is a last line. No other line begins with its key: records begin
// with "sensor", answers of a query with "columns".
type streamError struct {
	Error string `json:"error"`
}

// tail writes the records that become durable from now on. A client that does
// not keep up misses what leaves the journal meanwhile; nobody waits for it.
func (s *Server) tail(w http.ResponseWriter, r *http.Request) {
	out := newStream(w)
	reader := s.Journal.Reader(s.Journal.End())
	defer reader.Close()
	if _, err := out.Write(nil); err != nil { // the client knows that it began
		return
	}
	out.finish(follow(r.Context(), reader, r.URL.Query().Get("kind"), out))
}

// maxLines is how many bytes of lines are gathered before they are written. A
// batch can become a GB of them.
const maxLines = 64 << 10

func follow(ctx context.Context, reader *journal.Reader, kind string, out *stream) error {
	u := unpack.New()
	var lines []byte
	for {
		e, _, err := reader.Next(ctx)
		var bad *journal.CorruptionErr
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &bad):
			continue // the lake counts it
		case err != nil:
			return err
		}
		head := `{"sensor":"` + e.SensorName() + `"`
		blocks, _ := u.Blocks(e.Body) // the lake counts what is damaged
		lines = lines[:0]
		for _, b := range blocks {
			if kind != "" && b.Kind != kind {
				continue
			}
			for row := range b.Rows {
				at := len(lines) + len(head)
				lines = b.AppendJSON(append(lines, head...), row)
				lines[at] = ',' // the second brace: both objects become one
				lines = append(lines, '\n')
				if len(lines) >= maxLines {
					if _, err := out.Write(lines); err != nil {
						return nil // the client has gone
					}
					lines = lines[:0]
				}
			}
		}
		if len(lines) == 0 {
			continue
		}
		if _, err := out.Write(lines); err != nil {
			return nil
		}
	}
}
