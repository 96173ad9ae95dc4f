package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/taproot-sensor/taproot/collector/control"
	"github.com/taproot-sensor/taproot/collector/fleet"
	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/enrol"
	"github.com/taproot-sensor/taproot/wire/record"
)

// site is a collector with one sensor and three records, and its directory.
type site struct {
	t   *testing.T
	dir string
}

var sensorID = enrol.Identity{0xab, 0xcd}

func startCollector(t *testing.T, args ...string) site {
	t.Helper()
	dir, err := os.MkdirTemp("", "tp") // short: a socket goes there
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := site{t, filepath.Join(dir, "data")}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s.fill()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, append([]string{"collector", "--data", s.dir, "--listen", "127.0.0.1:0"}, args...), io.Discard, io.Discard)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("collector: %v", err)
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, err := control.NewClient(s.dir).Status(t.Context())
		if err == nil {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("collector does not start: %v", err)
		}
	}
}

// fill puts a sensor and records where the collector will find them.
func (s site) fill() {
	s.t.Helper()
	reg, err := fleet.Open(filepath.Join(s.dir, "fleet.db"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer reg.Close()
	claims := enrol.Claims{"board": "qemu-x86-64", "host": "evil\x1b[2Jhost"}
	if _, err := reg.Seen(sensorID, claims, netip.MustParseAddrPort("192.0.2.7:40000"), time.Now()); err != nil {
		s.t.Fatal(err)
	}
	j, _, err := journal.Open(filepath.Join(s.dir, "journal"), journal.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	defer j.Close()
	b := record.NewBuilder(record.DNSDef)
	for _, name := range []string{"a.example", "b.example", "tab\there\x1b[31m"} {
		record.Append(b, &record.DNS{Time: record.NanosOf(time.Now()), Name: name, Answers: []string{"192.0.2.1"}})
	}
	raw := b.AppendBlock(nil)
	j.Append(journal.Entry{Sensor: sensorID, Received: time.Now().UnixNano(), Body: batch.Append(nil, batch.None, len(raw), raw)},
		func(err error) {
			if err != nil {
				s.t.Error(err)
			}
		})
}

// do runs taproot with args and the site's data directory.
func (s site) do(args ...string) (stdout, stderr string, err error) {
	var out, errs bytes.Buffer
	err = run(s.t.Context(), append(args, "--data", s.dir), &out, &errs)
	return out.String(), errs.String(), err
}

// What the lake has not read yet is said, and it is nothing once it has.
func TestLakeBehind(t *testing.T) {
	s := startCollector(t)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		status, err := control.NewClient(s.dir).Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		behind, said := status.Counters["lake_behind_bytes"]
		if said && behind == 0 && status.Counters["lake_batches"] > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the lake is said to be %d bytes behind, %v", behind, said)
		}
	}
}

func TestSensorsCommand(t *testing.T) {
	s := startCollector(t)
	out, _, err := s.do("sensors")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{sensorID.Code(), "abcd000000000000", "pending", "qemu-x86-64", "evil.[2Jhost", "192.0.2.7:40000"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	if out, _, err = s.do("sensors", "approve", strings.ToLower(sensorID.Code())); err != nil || !strings.Contains(out, "approved") {
		t.Errorf("approve: %q, %v", out, err)
	}
	out, _, err = s.do("sensors", "--json")
	var list []fleet.Sensor
	if jerr := json.Unmarshal([]byte(out), &list); err != nil || jerr != nil || len(list) != 1 || list[0].State != fleet.Approved || list[0].DecidedBy == "" {
		t.Errorf("list = %s, %v", out, err)
	}
	if out, _, err = s.do("sensors", "revoke", "abcd"); err != nil || !strings.Contains(out, "revoked") {
		t.Errorf("revoke: %q, %v", out, err)
	}
	for _, args := range [][]string{{"sensors", "approve"}, {"sensors", "approve", "WXYZ-WXYZ"}, {"sensors", "adopt", "x"}, {"sensors", "list", "x"}} {
		if _, _, err := s.do(args...); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error = %v, want one line", args, err)
		}
	}
}

func TestQueryCommand(t *testing.T) {
	bin := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", filepath.Join(bin, "bin", "taproot-query"), "../taproot-query").CombinedOutput(); err != nil {
		t.Skipf("taproot-query cannot be built (it needs cgo): %v: %s", err, out)
	}
	t.Chdir(bin)
	s := startCollector(t)
	const sql = "SELECT name, answers, 7 AS n, NULL AS nothing FROM dns ORDER BY name"
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"query", sql}, "name            answers        n  nothing\na.example       [\"192.0.2.1\"]  7  NULL\nb.example       [\"192.0.2.1\"]  7  NULL\ntab.here.[31m  [\"192.0.2.1\"]  7  NULL\n"},
		{[]string{"query", "--csv", sql + " LIMIT 1"}, "name,answers,n,nothing\na.example,\"[\"\"192.0.2.1\"\"]\",7,\n"},
		{[]string{"query", "--json", sql + " LIMIT 1"}, `{"name":"a.example","answers":["192.0.2.1"],"n":7,"nothing":null}` + "\n"},
	}
	for _, tt := range tests {
		out, _, err := s.do(tt.args...)
		if err != nil || squeeze(out) != squeeze(tt.want) {
			t.Errorf("%q = %v\n%s\nwant\n%s", tt.args, err, out, tt.want)
		}
	}
	_, errs, err := s.do("query", "--csv", "FROM range(100001)")
	if err != nil || !strings.Contains(errs, "only the first 100000 rows") {
		t.Errorf("beyond the limit: %q, %v", errs, err)
	}
	if _, _, err := s.do("query", "DROP VIEW dns"); err == nil || !strings.Contains(err.Error(), "only questions") {
		t.Errorf("error = %v", err)
	}
}

// squeeze makes runs of spaces one.
func squeeze(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = strings.Join(strings.Fields(l), " ")
	}
	return strings.Join(lines, "\n")
}

func TestTailCommand(t *testing.T) {
	s := startCollector(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{"tail", "--data", s.dir}, io.Discard, io.Discard) }()
	time.Sleep(50 * time.Millisecond)
	stop()
	if err := <-done; err != nil {
		t.Errorf("an interrupted tail = %v, want no error", err)
	}
}

func TestKeysCommand(t *testing.T) {
	s := site{t, filepath.Join(t.TempDir(), "new")}
	if _, _, err := s.do("keys"); err == nil || !strings.Contains(err.Error(), "there are no site keys in") {
		t.Errorf("without keys: %v", err)
	}
	made, _, err := s.do("keys", "--new", s.dir)
	if err != nil {
		t.Fatal(err)
	}
	shown, _, err := s.do("keys")
	if err != nil || shown != made || !strings.Contains(shown, "box      = \"") {
		t.Errorf("keys = %q, %v; want\n%s", shown, err, made)
	}
	secret, err := os.ReadFile(filepath.Join(s.dir, "keys", "box.key"))
	if err != nil {
		t.Fatal(err)
	}
	if digits := strings.Fields(string(secret))[1]; strings.Contains(shown, digits) {
		t.Error("a private key is shown")
	}
	if _, _, err := s.do("keys", "--new", s.dir); err == nil || !strings.Contains(err.Error(), "never overwritten") {
		t.Errorf("over others: %v", err)
	}
}

func TestNoCollector(t *testing.T) {
	s := site{t, "/nowhere"}
	for _, args := range [][]string{{"sensors"}, {"query", "SELECT 1"}, {"tail"}} {
		if _, _, err := s.do(args...); err == nil || !strings.Contains(err.Error(), "no collector runs on /nowhere") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error = %v", args, err)
		}
	}
}

func TestHelpHasExamples(t *testing.T) {
	for _, c := range commands {
		var out bytes.Buffer
		run(t.Context(), []string{c.name, "--help"}, &out, io.Discard)
		if !strings.Contains(out.String(), "Examples:\n  taproot "+c.name) {
			t.Errorf("taproot %s --help:\n%s", c.name, out.String())
		}
	}
}

// What strangers sent moves no cursor and forges no row; a plan has its lines.
func TestTableIsPrintable(t *testing.T) {
	print := func(column, value string) string {
		var out bytes.Buffer
		rows := &tableRows{w: tabwriter.NewWriter(&out, 0, 8, 2, ' ', 0)}
		text, err := json.Marshal(value)
		for _, step := range []func() error{
			func() error { return err },
			func() error { return rows.head([]string{column}) },
			func() error { return rows.row([]json.RawMessage{text}) },
			rows.flush,
		} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		return out.String()
	}
	if got, want := print("name", "a\x1b[2J\u009b\nb\tc"), "name\na.[2J..b.c\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
	if got, want := print("explain_key", "a\n\x1bb"), "explain_key\n\na\n.b\n"; got != want {
		t.Errorf("a plan is printed %q, want %q", got, want)
	}
}
