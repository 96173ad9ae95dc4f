// Package jail runs the stages of a sensor as processes that can do little,
// and starts them again when they fail.
//
// A Stage is one child, supervised from outside: it must report that it is
// alive, and is killed when it falls silent. Inside the child, Enter gives away
// everything that the stage does not need before it looks at its input, and
// ShutIn the rest of the system once everything is open. Batches pass between
// stages through a Relay, so that a stage that dies in the middle of one takes
// none of the others along.
//
// Which stages there are, and what each is handed, is cmd/init's to say.
// docs/adr/0041 has the system calls that are left to a stage that is shut in.
package jail

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// reportFD is the descriptor on which a stage reports to its supervisor. The
// files in a command's ExtraFiles follow it.
const reportFD = 3

// FirstFD is the descriptor, in the stage, of the first of ExtraFiles.
const FirstFD = reportFD + 1

// A Stage supervises one process.
type Stage struct {
	Name string

	// Command returns the process to start, each time anew. Run closes its
	// ExtraFiles, which the process inherits from FirstFD on.
	Command func() (*exec.Cmd, error)

	// Silence is how long the process may go without a beat.
	Silence time.Duration

	// Grace is how long the process has to end once it is asked to.
	Grace time.Duration

	// Expendable says that the kernel shall kill this process before all others
	// when the machine has no memory left.
	Expendable bool

	// Clock, if set, is called with how far the process has found the
	// machine's clock to be behind.
	Clock func(offset time.Duration)

	// Stored, if set, is called each time the process has heard from the
	// collector that it has stored a batch of this boot, and Waiting when it
	// has heard that nobody has approved the sensor yet.
	Stored, Waiting func()

	Log *slog.Logger

	crashes, silences atomic.Int64
	lastBeat          atomic.Int64 // Unix nanoseconds
}

// Back-off between starts. A process that has run for steady begins anew.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 10 * time.Second
	steady     = time.Minute
)

// Crashes returns how often the process has ended unasked, killed for silence
// or not.
func (s *Stage) Crashes() int64 { return s.crashes.Load() }

// Silences returns how often the process was killed because it was silent.
func (s *Stage) Silences() int64 { return s.silences.Load() }

// Alive reports whether there was a beat within d.
func (s *Stage) Alive(d time.Duration) bool {
	return time.Since(time.Unix(0, s.lastBeat.Load())) < d
}

// Run keeps the process running until ctx ends, and then ends it.
func (s *Stage) Run(ctx context.Context) error {
	pause := firstPause
	for ctx.Err() == nil {
		start := time.Now()
		err := s.once(ctx)
		if ctx.Err() != nil {
			return err
		}
		s.crashes.Add(1)
		if time.Since(start) > steady {
			pause = firstPause
		}
		s.Log.Error("stage ended", "stage", s.Name, "err", err, "again_in", pause)
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, lastPause)
	}
	return nil
}

// once runs one process to its end.
func (s *Stage) once(ctx context.Context) error {
	cmd, err := s.Command()
	if err != nil {
		return fmt.Errorf("preparing stage %q: %w", s.Name, err)
	}
	reports, report, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reports.Close()
	cmd.ExtraFiles = append([]*os.File{report}, cmd.ExtraFiles...)
	err = cmd.Start()
	for _, f := range cmd.ExtraFiles {
		f.Close()
	}
	if err != nil {
		return fmt.Errorf("starting stage %q: %w", s.Name, err)
	}
	if s.Expendable {
		s.expend(cmd.Process.Pid)
	}
	beats, exited := make(chan struct{}, 1), make(chan error, 1)
	var reader sync.WaitGroup
	reader.Go(func() { s.readReports(reports, beats) })
	go func() { exited <- cmd.Wait() }()
	defer reader.Wait()
	return s.watch(ctx, cmd.Process, beats, exited)
}

// expend gives a process the highest score there is (proc_pid_oom_score_adj(5)).
func (s *Stage) expend(pid int) {
	const most = "1000"
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), []byte(most), 0); err != nil {
		s.Log.Warn("stage is not the first to go when memory is used up", "stage", s.Name, "err", err)
	}
}

// watch waits for the process to end, and ends it when it is silent or when ctx
// ends.
func (s *Stage) watch(ctx context.Context, p *os.Process, beats <-chan struct{}, exited <-chan error) error {
	silence := time.NewTimer(s.Silence)
	defer silence.Stop()
	done := ctx.Done()
	for {
		select {
		case err := <-exited:
			if err == nil && ctx.Err() == nil {
				err = errors.New("process ended by itself")
			}
			return err
		case <-beats:
			silence.Reset(s.Silence)
		case <-silence.C:
			s.silences.Add(1)
			p.Kill()
			return fmt.Errorf("silent for %s: %w", s.Silence, <-exited)
		case <-done:
			done = nil
			p.Signal(syscall.SIGTERM)
			time.AfterFunc(s.Grace, func() { p.Kill() })
		}
	}
}

// A report is one int64: 0 is a beat, reportStored and reportWaiting what they
// say, another number a clock offset in nanoseconds.
const (
	reportSize    = 8
	reportStored  = math.MinInt64
	reportWaiting = math.MinInt64 + 1
)

// readReports reads until the process is gone.
func (s *Stage) readReports(r io.Reader, beats chan<- struct{}) {
	var b [reportSize]byte
	for {
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return
		}
		switch v := int64(binary.NativeEndian.Uint64(b[:])); {
		case v == reportStored:
			if s.Stored != nil {
				s.Stored()
			}
			continue
		case v == reportWaiting:
			if s.Waiting != nil {
				s.Waiting()
			}
			continue
		case v != 0:
			if s.Clock != nil {
				s.Clock(time.Duration(v))
			}
			continue
		}
		s.lastBeat.Store(time.Now().UnixNano())
		select {
		case beats <- struct{}{}:
		default:
		}
	}
}

// A Reporter is the stage's end of its reports.
type Reporter struct{ f *os.File }

// Supervisor returns the reporter of this process, which must be a stage.
func Supervisor() Reporter { return Reporter{os.NewFile(reportFD, "supervisor")} }

// Beat says that the stage is alive.
func (r Reporter) Beat() { r.send(0) }

// Stored says that the collector has stored a batch.
func (r Reporter) Stored() { r.send(reportStored) }

// Waiting says that nobody has approved the sensor yet.
func (r Reporter) Waiting() { r.send(reportWaiting) }

// Clock says how far the machine's clock is behind.
func (r Reporter) Clock(offset time.Duration) { r.send(offset) }

// send drops errors: a stage whose supervisor is gone is about to be killed.
func (r Reporter) send(v time.Duration) {
	var b [reportSize]byte
	binary.NativeEndian.PutUint64(b[:], uint64(v))
	r.f.Write(b[:])
}
