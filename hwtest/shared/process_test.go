package shared_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/taproot-sensor/taproot/collector/control"
	"github.com/taproot-sensor/taproot/collector/lake/manifest"
	"github.com/taproot-sensor/taproot/provisioning"
	"github.com/taproot-sensor/taproot/wire/site"
)

// process is a collector that runs in a process of its own.
type process struct {
	data, addr, db string
	cmd            *exec.Cmd
	said           chan struct{} // closed when its output has ended
}

func newProcess(t *testing.T, data, db string) *process {
	if err := os.MkdirAll(data, 0o700); err != nil {
		t.Fatal(err)
	}
	p := &process{data: data, addr: freeAddr(t), db: db}
	t.Cleanup(func() {
		if p.cmd != nil {
			p.cmd.Process.Kill()
			p.cmd.Wait()
		}
	})
	return p
}

// start starts the collector and waits until it listens.
func (p *process) start(t *testing.T) {
	t.Helper()
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), "TAPROOT_SHARED_CHILD="+p.data, "TAPROOT_SHARED_LISTEN="+p.addr, "TAPROOT_SHARED_DB="+p.db)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.OpenFile(p.data+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	p.cmd.Stderr = log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening, ended := make(chan bool, 1), make(chan struct{})
	p.said = ended
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.HasPrefix(lines.Text(), "listening") {
				select {
				case listening <- true:
				default:
				}
			}
		}
	}()
	select {
	case <-listening:
	case <-ended:
		t.Fatalf("collector ended at its start:\n%s", p.log())
	case <-time.After(30 * time.Second):
		t.Fatalf("collector does not listen after 30 s:\n%s", p.log())
	}
}

func (p *process) log() string {
	b, _ := os.ReadFile(p.data + ".log") // for a failure that is told anyway
	return string(b[max(0, len(b)-4000):])
}

func (p *process) end(sig os.Signal) error {
	p.cmd.Process.Signal(sig)
	<-p.said
	err := p.cmd.Wait()
	p.cmd = nil
	return err
}

// kill ends the collector in the middle of whatever it does.
func (p *process) kill(t *testing.T) {
	t.Helper()
	var exit *exec.ExitError
	if err := p.end(syscall.SIGKILL); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		t.Fatalf("collector ended by itself: %v\n%s", err, p.log())
	}
}

// stall has the collector stand still long enough for sensors to go over to
// another, and go on for a moment: with what they had sent it.
func (p *process) stall() {
	p.cmd.Process.Signal(syscall.SIGSTOP)
	pause(1000, 3500)
	p.cmd.Process.Signal(syscall.SIGCONT)
	pause(0, 300)
}

// stop has the collector end in order.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Fatalf("%v\n%s", err, p.log())
	}
}

// flush makes what is stored visible in the lake. The query itself fails where
// its program was not built.
func (p *process) flush() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	control.NewClient(p.data).Query(ctx, "SELECT 1", func([]byte) error { return nil })
}

// site returns what images know of the collector's site.
func (p *process) site(t *testing.T) site.Site {
	t.Helper()
	s, err := provisioning.LoadSite(filepath.Join(p.data, "site.toml"))
	if err != nil {
		t.Fatal(err)
	}
	s.Collectors = []string{p.addr}
	return s
}

// countRows adds the lake's records to times, by their numbers, and returns how
// many there are.
func (p *process) countRows(t *testing.T, times []int) (rows int) {
	t.Helper()
	dir := filepath.Join(p.data, "lake")
	m, err := manifest.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		Time int64 `parquet:"ts"`
	}
	for _, f := range m.Files {
		if f.Kind != "arp" {
			continue
		}
		in, err := os.Open(filepath.Join(dir, f.Path))
		if err != nil {
			t.Fatal(err)
		}
		r := parquet.NewGenericReader[row](in)
		for buf := make([]row, 1000); ; {
			n, err := r.Read(buf)
			for _, got := range buf[:n] {
				times[got.Time-start.UnixNano()]++
				rows++
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		in.Close()
	}
	return rows
}
