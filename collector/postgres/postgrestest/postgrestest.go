// Package postgrestest starts a PostgreSQL server of a test's own: the real
// one, from Debian's packages, on a unix socket, in a temporary directory.
package postgrestest

import (
	"bytes"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// A Server is a PostgreSQL server that a test may stop and start.
type Server struct {
	URL string // of its database, for any user of this machine
	t   testing.TB
	bin string // directory of the server's programs
	dir string
	who *syscall.Credential // PostgreSQL refuses to run as root; nil where we are not
	cmd *exec.Cmd
}

// Start starts a server that is gone at the end of the test. Without
// PostgreSQL on this machine the test is skipped.
func Start(t testing.TB) *Server {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is a constant
	if len(found) == 0 {
		t.Skip("PostgreSQL is not installed: scripts/install-deps test")
	}
	slices.Sort(found)
	s := &Server{t: t, bin: filepath.Dir(found[len(found)-1])}
	var err error
	if s.dir, err = os.MkdirTemp("", "taproot-pg-"); err != nil { // t.TempDir's path is too long for a socket, and not for others to enter
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(s.dir) })
	name := "taproot"
	if os.Getuid() == 0 {
		name = "postgres"
		s.become(name)
	}
	s.run("initdb", "--no-sync", "--auth=trust", "--username="+name, "--encoding=UTF8", "--no-locale", "-D", s.data())
	s.URL = (&url.URL{Scheme: "postgres", Path: "/postgres", RawQuery: url.Values{"host": {s.dir}, "user": {name}}.Encode()}).String()
	s.Resume()
	t.Cleanup(s.Stop)
	return s
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) become(name string) {
	s.t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		s.t.Fatal(err)
	}
	uid, _ := strconv.Atoi(u.Uid) // on Unix both are numbers (os/user)
	gid, _ := strconv.Atoi(u.Gid)
	s.who = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if err := os.Chown(s.dir, uid, gid); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.who, Pdeathsig: syscall.SIGKILL}
	return cmd
}

func (s *Server) run(name string, args ...string) {
	s.t.Helper()
	if out, err := s.command(name, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// Resume starts the server again after Stop or Kill, and waits until it
// answers.
func (s *Server) Resume() {
	s.t.Helper()
	var out bytes.Buffer
	s.cmd = s.command("postgres", "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "max_connections=40", "-c", "shared_buffers=32MB")
	s.cmd.Stdout, s.cmd.Stderr = &out, &out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if s.command("pg_isready", "-q", "-h", s.dir).Run() == nil {
			return
		}
		if time.Now().After(deadline) {
			s.cmd.Process.Kill()
			s.cmd.Wait()
			s.t.Fatalf("PostgreSQL does not answer:\n%s", out.String())
		}
	}
}

// Stop ends the server in order; Kill has it die, with all of its processes
// but not what it wrote. Both do nothing where it does not run.
func (s *Server) Stop() { s.end(syscall.SIGINT) } // "fast shutdown"

// Kill ends the server without a checkpoint ("immediate shutdown"): at the
// next start it recovers from its log.
func (s *Server) Kill() { s.end(syscall.SIGQUIT) }

func (s *Server) end(sig os.Signal) {
	if s.cmd == nil {
		return
	}
	s.cmd.Process.Signal(sig)
	s.cmd.Wait() // its exit status tells nothing that matters here
	s.cmd = nil
}
