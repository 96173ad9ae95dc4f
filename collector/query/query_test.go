package query_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/collector/lake"
	"github.com/taproot-sensor/taproot/collector/query"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/record"
)

// binary is the real taproot-query, or empty where it cannot be built.
var binary, whyNot string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "taproot-query")
	if err != nil {
		panic(err)
	}
	out, err := exec.Command("go", "build", "-o", dir, "../../cmd/taproot-query").CombinedOutput()
	if err == nil {
		binary = filepath.Join(dir, "taproot-query")
	} else {
		whyNot = fmt.Sprintf("taproot-query cannot be built (it needs cgo): %v: %s", err, out)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// makeLake makes a lake of blocks, each a batch that was received at ts. Few are
// made visible one by one.
func makeLake(t *testing.T, ts time.Time, blocks ...[]byte) (dir string, l *lake.Lake) {
	t.Helper()
	if binary == "" {
		t.Skip(whyNot)
	}
	dir = t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil { // as the data directory is
		t.Fatal(err)
	}
	j, _, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	dir = filepath.Join(dir, "lake")
	if l, err = lake.Open(dir, lake.Options{}); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx, j) }()
	for n, raw := range blocks {
		stored := make(chan error, 1)
		j.Append(journal.Entry{Sensor: [32]byte{0xab}, Batch: uint64(n), Received: ts.UnixNano(),
			Body: batch.Append(nil, batch.None, len(raw), raw)}, func(err error) { stored <- err })
		if err := <-stored; err != nil {
			t.Fatal(err)
		}
		if len(blocks) < 8 { // two files per kind, had both the same
			if err := l.Flush(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return dir, l
}

// newLake makes a lake with two dns records and one of a kind that no release
// knows, in its files, and a file that is not in the manifest.
func newLake(t *testing.T) string {
	t.Helper()
	ts := time.Date(2026, 11, 21, 8, 30, 0, 123456789, time.UTC)
	dns := record.NewBuilder(record.DNSDef)
	record.Append(dns, &record.DNS{Time: record.NanosOf(ts), Flow: 1<<64 - 1, SrcAddr: netip.MustParseAddr("192.0.2.1"), Name: "a.example",
		Answers: []string{"192.0.2.7", "192.0.2.8"}, Response: true, RTT: time.Millisecond})
	record.Append(dns, &record.DNS{Time: record.NanosOf(ts.Add(time.Hour)), Name: "b.example"})
	novel := "\x05novel\x01\x02\x02ts\x04\x01\x02\x06colour\x08\x06\x01\x03red\x00"
	dir, l := makeLake(t, ts, dns.AppendBlock(nil), []byte(novel))
	listed := filepath.Join(dir, l.Manifest().Files[0].Path)
	data, err := os.ReadFile(listed)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(listed), "unlisted.parquet"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func ask(t *testing.T, o query.Options, sql string) ([]string, error) {
	t.Helper()
	var out bytes.Buffer
	o.Binary = binary
	err := query.Run(t.Context(), o, sql, &out)
	return strings.Split(strings.TrimSpace(out.String()), "\n"), err
}

func TestQuery(t *testing.T) {
	dir := newLake(t)
	tests := []struct {
		sql  string
		want []string // all lines but the first and the last
	}{
		{"SELECT name, ts, flow, src_addr, answers, response, rtt, sensor, date, hour FROM dns ORDER BY ts LIMIT 1",
			[]string{`["a.example","2026-11-21T08:30:00.123456789Z",18446744073709551615,"192.0.2.1",["192.0.2.7","192.0.2.8"],true,1000000,"ab00000000000000","2026-11-21T00:00:00Z",8]`}},
		{"SELECT count(*) FROM dns WHERE date = '2026-11-21' AND hour = 9", []string{`[1]`}},
		{"SELECT count(*), sum(flow) FROM dns", []string{`[2,18446744073709551615]`}},
		{"FROM novel SELECT colour, batch", []string{`["red",1]`}},
		{"SELECT * FROM flow", nil},
		{"SELECT src_bytes + dst_bytes, sensor FROM flow WHERE date = '2026-11-21'", nil},
		{"WITH x AS (SELECT 1.5::DECIMAL(4,1) AS d, 'NaN'::DOUBLE AS f, 1::HUGEINT << 70 AS h, {'a': [NULL]} AS s, '\\xFF'::BLOB AS b) FROM x",
			[]string{`[1.5,"NaN",1180591620717411303424,{"a":[null]},"ff"]`}},
		{"SELECT name FROM (SHOW TABLES) WHERE name IN ('tls', 'novel') -- a comment;", []string{`["novel"]`, `["tls"]`}},
	}
	for _, tt := range tests {
		lines, err := ask(t, query.Options{LakeDir: dir}, tt.sql)
		if err != nil {
			t.Errorf("%s: %v", tt.sql, err)
			continue
		}
		var head query.Head
		var end query.End
		if json.Unmarshal([]byte(lines[0]), &head) != nil || len(head.Columns) == 0 || json.Unmarshal([]byte(lines[len(lines)-1]), &end) != nil || end.Rows != len(tt.want) {
			t.Errorf("%s: head and end = %s, %s", tt.sql, lines[0], lines[len(lines)-1])
		}
		if diff := cmp.Diff(tt.want, lines[1:len(lines)-1], cmp.Transformer("", func(s []string) string { return strings.Join(s, "\n") })); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tt.sql, diff)
		}
	}
}

// An empty view has the columns of the definition, in its order.
func TestQueryColumnsOfEmptyKind(t *testing.T) {
	lines, err := ask(t, query.Options{LakeDir: newLake(t)}, "FROM arp")
	if err != nil {
		t.Fatal(err)
	}
	var head query.Head
	if err := json.Unmarshal([]byte(lines[0]), &head); err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, c := range head.Columns {
		got = append(got, c.Name)
	}
	for _, f := range record.ARPDef.Fields {
		want = append(want, f.Name)
	}
	want = append(want, "sensor", "boot", "batch", "received", "date", "hour")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns (-want +got)\n%s", diff)
	}
}

func TestQueryRefuses(t *testing.T) {
	dir := newLake(t)
	outside := filepath.Join(filepath.Dir(dir), "out.csv")
	tests := []struct{ sql, want string }{
		{"", ""},
		{"SELEC 1", "syntax error"},
		{"SELECT x FROM dns", `"x" not found`},
		{"SELECT 1; SELECT 2", "one question at a time"},
		{"SELECT 1; DROP VIEW dns", "one question at a time"},
		{"COPY dns TO '" + outside + "'", ""},
		{"COPY dns TO 'kind=dns/x.csv'", ""},
		{"COPY (SELECT 1) TO '/dev/stdout'", ""},
		{"EXPLAIN ANALYZE COPY (SELECT 1) TO '" + outside + "'", ""},
		{"EXPORT DATABASE '" + outside + "'", ""},
		{"ATTACH '" + outside + "'", "only questions"},
		{"INSTALL httpfs", "only questions"},
		{"LOAD '/tmp/x.duckdb_extension'", "only questions"},
		{"CREATE TABLE t (a INT)", "only questions"},
		{"DROP VIEW dns", "only questions"},
		{"INSERT INTO dns (name) VALUES ('x')", ""},
		{"SET enable_external_access = true", "only questions"},
		{"RESET lock_configuration", ""},
		{"PRAGMA enable_profiling", "only questions"},
		{"CALL pragma_version()", "only questions"},
		{"SELECT * FROM read_csv('/etc/passwd')", "disabled"},
		{"SELECT * FROM read_text('/etc/passwd')", "disabled"},
		{"SELECT * FROM read_blob('manifest.json')", "disabled"},
		{"SELECT * FROM read_text('kind=dns/../manifest.json')", "disabled"},
		{"SELECT * FROM '/etc/passwd'", ""},
		{"SELECT * FROM 'kind=dns/date=2026-11-21/hour=08/unlisted.parquet'", "disabled"},
		{"SELECT * FROM glob('/**')", "disabled"},
		{"SELECT * FROM read_parquet('https://192.0.2.1/x.parquet')", ""},
		{"SELECT getenv('HOME')", "does not exist"},
		{"SELECT * FROM sqlite_scan('/x', 'y')", ""},
	}
	for _, tt := range tests {
		lines, err := ask(t, query.Options{LakeDir: dir}, tt.sql)
		switch {
		case err == nil:
			t.Errorf("%s: was answered: %q", tt.sql, lines)
		case !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n"):
			t.Errorf("%s: error = %q, want one line with %q", tt.sql, err, tt.want)
		}
	}
	if _, err := os.Stat(outside); !os.IsNotExist(err) {
		t.Errorf("a query wrote %s: %v", outside, err)
	}
}

func TestQueryLimits(t *testing.T) {
	dir := newLake(t)
	lines, err := ask(t, query.Options{LakeDir: dir, MaxRows: 3}, "FROM range(10)")
	if err != nil || lines[len(lines)-1] != `{"rows":3,"more":true}` || len(lines) != 5 {
		t.Errorf("row limit: %q, %v", lines, err)
	}
	const endless = "SELECT count(*) FROM range(1000000000000) a, range(1000000) b WHERE a.range % 7 = b.range % 5"
	if _, err := ask(t, query.Options{LakeDir: dir, Timeout: 200 * time.Millisecond}, endless); err == nil || !strings.Contains(err.Error(), "longer than 200ms") {
		t.Errorf("time limit: %v", err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	began := time.Now()
	if err := query.Run(ctx, query.Options{LakeDir: dir, Binary: binary}, endless, new(bytes.Buffer)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cancelled: %v", err)
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("a cancelled query took %v", d)
	}
	if _, err := ask(t, query.Options{LakeDir: dir}, "SELECT list(range) FROM range(1000000000)"); err == nil || !strings.Contains(err.Error(), "Out of Memory") {
		t.Errorf("memory limit: %v", err)
	}
}

func TestQueryNoLake(t *testing.T) {
	if binary == "" {
		t.Skip(whyNot)
	}
	if _, err := ask(t, query.Options{LakeDir: filepath.Join(t.TempDir(), "none")}, "SELECT 1"); err == nil || !strings.Contains(err.Error(), "opening lake") {
		t.Errorf("error = %v", err)
	}
}

func TestFindMissing(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("PATH", "")
	if p, err := query.Find(); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("Find = %q, %v", p, err)
	}
}
