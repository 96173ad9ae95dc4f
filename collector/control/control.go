// Package control is how people's commands reach a running collector: HTTP
// over a unix socket that only the collector's user can open.
//
//	GET  /v1/sensors                the fleet, what was lost of each sensor, its quota and its updates
//	POST /v1/sensors/{ref}/approve  {"by": "who"}
//	POST /v1/sensors/{ref}/revoke   {"by": "who"}
//	POST /v1/query                  SQL; answers with a stream of JSON lines
//	GET  /v1/tail?kind=K            records as they become durable, JSON lines
//	GET  /v1/status                 counters
//	POST /v1/keys/rotate            end the epoch
//	POST /v1/keys/handover          make the next box key the one in use; answers with the site's keys
//
// An error before the first byte of an answer is a status and a line of text;
// an error in a stream is its last line, {"error": "…"}.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/taproot-sensor/taproot/collector/edge/quota"
	"github.com/taproot-sensor/taproot/collector/fleet"
	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/collector/rollout"
	"github.com/taproot-sensor/taproot/collector/tally"
	"github.com/taproot-sensor/taproot/wire/site"
)

// maxSQL bounds a query's text, in bytes.
const maxSQL = 1 << 20

// SocketPath returns where the collector with data directory dir listens.
func SocketPath(dir string) string { return filepath.Join(dir, "control.sock") }

// maxPath is how long the path of a unix socket can be (sockaddr_un, less the
// final zero).
const maxPath = 107

// Listen opens the control socket of data directory dir. One that a dead
// collector left is replaced; a live one is an error.
func Listen(dir string) (net.Listener, error) {
	path := SocketPath(dir)
	if len(path) > maxPath {
		return nil, fmt.Errorf("opening control socket: path of %d bytes, at most %d fit: use a data directory with a shorter path, or a relative one", len(path), maxPath)
	}
	if c, err := net.Dial("unix", path); err == nil {
		c.Close()
		return nil, fmt.Errorf("a collector already runs on %s", dir)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("replacing control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("opening control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("opening control socket: %w", err)
	}
	return l, nil
}

// Status is what GET /v1/status answers.
type Status struct {
	Counters map[string]uint64 `json:"counters"`
	Problems []string          `json:"problems,omitempty"` // what keeps the collector from doing its work
}

// Sensor is one sensor in what GET /v1/sensors answers.
type Sensor struct {
	fleet.Sensor
	Known
}

// Known is what is known of a sensor beside what the registry has.
type Known struct {
	Loss   tally.Loss          `json:"loss"`
	Quota  quota.Usage         `json:"quota"`
	Update *rollout.UnitStatus `json:"update,omitempty"` // what it last asked with; nil for a sensor that has not
}

// Server answers on the control socket.
type Server struct {
	Fleet   *fleet.Registry
	Known   func() func(sensor string) Known // what is known now of a sensor, by its id
	Journal *journal.Journal
	Decided func(fleet.Sensor) // is told of every decision about a sensor
	// Query makes all that is durable visible and writes the answer to out as
	// package query does.
	Query  func(ctx context.Context, sql string, out io.Writer) error
	Status func() Status

	Rotate   func()                    // ends the epoch
	HandOver func() (site.Site, error) // makes the next box key the one in use
}

// closeAfter is how long answers under way may go on when the server is asked
// to stop.
const closeAfter = 2 * time.Second

// Run serves on l until ctx ends, then returns nil. It closes l.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	srv := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeAfter)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			srv.Close()
		}
	})
	err := srv.Serve(l)
	if !stop() {
		<-stopped
		return nil
	}
	return fmt.Errorf("serving control socket: %w", err)
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/sensors", func(w http.ResponseWriter, r *http.Request) {
		list, err := s.Fleet.List(r.Context())
		all, known := make([]Sensor, len(list)), s.Known()
		for i := range list {
			all[i] = Sensor{list[i], known(list[i].ID)}
		}
		answer(w, all, err)
	})
	mux.HandleFunc("POST /v1/sensors/{ref}/approve", s.decide((*fleet.Registry).Approve))
	mux.HandleFunc("POST /v1/sensors/{ref}/revoke", s.decide((*fleet.Registry).Revoke))
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, r *http.Request) { answer(w, s.Status(), nil) })
	mux.HandleFunc("POST /v1/keys/rotate", func(w http.ResponseWriter, r *http.Request) {
		s.Rotate()
		answer(w, struct{}{}, nil)
	})
	mux.HandleFunc("POST /v1/keys/handover", func(w http.ResponseWriter, r *http.Request) {
		keys, err := s.HandOver()
		answer(w, keys, err)
	})
	mux.HandleFunc("POST /v1/query", s.query)
	mux.HandleFunc("GET /v1/tail", s.tail)
	return mux
}

func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // an error means that the client has gone
}

func fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if errors.Is(err, fleet.ErrNotFound) {
		status = http.StatusNotFound
	}
	http.Error(w, err.Error(), status)
}

type decision func(f *fleet.Registry, ctx context.Context, ref, by string, now time.Time) (fleet.Sensor, error)

func (s *Server) decide(d decision) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			By string `json:"by"`
		}
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<10)).Decode(&body); err != nil {
			http.Error(w, fmt.Sprintf("reading who decides: %v", err), http.StatusBadRequest)
			return
		}
		sensor, err := d(s.Fleet, r.Context(), r.PathValue("ref"), body.By, time.Now())
		if err == nil {
			s.Decided(sensor)
		}
		answer(w, sensor, err)
	}
}

func (s *Server) query(w http.ResponseWriter, r *http.Request) {
	sql, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSQL))
	if err != nil {
		http.Error(w, fmt.Sprintf("reading query: %v", err), http.StatusBadRequest)
		return
	}
	out := newStream(w)
	out.finish(s.Query(r.Context(), string(sql), out))
}
