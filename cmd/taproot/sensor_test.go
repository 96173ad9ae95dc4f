package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const captures = "../../testdata/captures/"

// sensor runs taproot sensor with args and returns the records on stdout.
func sensor(t *testing.T, args ...string) (records []map[string]any) {
	t.Helper()
	var out, errs bytes.Buffer
	if err := run(t.Context(), append([]string{"sensor"}, args...), &out, &errs); err != nil {
		t.Fatalf("sensor %v: %v\n%s", args, err, &errs)
	}
	return objects(t, out.Bytes())
}

func objects(t *testing.T, lines []byte) (records []map[string]any) {
	t.Helper()
	for line := range bytes.Lines(lines) {
		var rec map[string]any
		if err := json.Unmarshal(line, &rec); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		records = append(records, rec)
	}
	return records
}

func ofKind(records []map[string]any, kind string) (some []map[string]any) {
	for _, r := range records {
		if r["kind"] == kind {
			some = append(some, r)
		}
	}
	return some
}

func TestSensorWritesJSON(t *testing.T) {
	all := sensor(t, "--read", captures+"dns.pcap")
	dns := ofKind(all, "dns")
	if len(dns) == 0 || len(ofKind(all, "flow")) == 0 || len(ofKind(all, "sensor")) == 0 {
		t.Fatalf("%d records of dns in %d, want those of flow, dns and sensor", len(dns), len(all))
	}
	if got := sensor(t, "--read", captures+"dns.pcap", "--kinds", "dns"); len(ofKind(got, "dns")) != len(dns) || len(got) != len(dns) {
		t.Errorf("--kinds dns: %d records, want %d", len(got), len(dns))
	}
	if got := sensor(t, "--read", captures+"dns.pcap", "--flows-only"); len(ofKind(got, "flow")) != len(ofKind(all, "flow")) || len(ofKind(got, "dns")) != 0 {
		t.Errorf("--flows-only: %d flows, want %d and nothing of dns", len(ofKind(got, "flow")), len(ofKind(all, "flow")))
	}
	if len(ofKind(sensor(t, "--read", captures+"dns.pcap", "--kinds", "default,layer"), "layer")) == 0 {
		t.Error("--kinds default,layer: no records of layer")
	}
	if got := sensor(t, "--read", captures+"dns.pcap", "--filter", "not port 53 and not port 5300"); len(ofKind(got, "dns")) != 0 || len(ofKind(got, "flow")) == 0 {
		t.Errorf("--filter: %d records of dns, %d of flow", len(ofKind(got, "dns")), len(ofKind(got, "flow")))
	}
	if got := sensor(t, "--read", captures+"dns.pcap", "--shards", "2"); len(ofKind(got, "dns")) != len(dns) {
		t.Errorf("--shards 2: %d records of dns, want %d", len(ofKind(got, "dns")), len(dns))
	}
	file := filepath.Join(t.TempDir(), "records")
	if got := sensor(t, "--read", captures+"dns.pcap", "-o", file); len(got) != 0 {
		t.Errorf("-o FILE: %d records on stdout", len(got))
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(objects(t, text)), len(all); got != want {
		t.Errorf("-o FILE: %d records, want %d", got, want)
	}
}

// TestSensorWritesZeekLogs reads Zeek's format back and finds in it what the
// records have.
func TestSensorWritesZeekLogs(t *testing.T) {
	for _, tt := range []struct {
		capture, kind, log string
		columns            map[string]string // of the log, and of the record
	}{
		{"http.pcap", "http", "http.log", map[string]string{"host": "host", "uri": "uri", "method": "method", "user_agent": "user_agent"}},
		{"dns.pcap", "dns", "dns.log", map[string]string{"query": "name", "rcode_name": "rcode"}},
		{"tls.pcapng", "tls", "ssl.log", map[string]string{"server_name": "sni", "cipher": "cipher", "ja4": "ja4"}},
		{"tls.pcapng", "x509", "x509.log", map[string]string{"fingerprint": "sha256"}},
		{"lan.pcapng", "flow", "conn.log", map[string]string{"id.orig_h": "src_addr", "id.resp_h": "dst_addr"}},
	} {
		t.Run(tt.log, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "logs")
			records := ofKind(sensor(t, "--read", captures+tt.capture, "--zeek", dir, "-o", "-"), tt.kind)
			rows := readZeek(t, filepath.Join(dir, tt.log))
			if len(rows) != len(records) || len(rows) == 0 {
				t.Fatalf("%d lines, want %d", len(rows), len(records))
			}
			uids := make(map[string]bool)
			for _, row := range readZeek(t, filepath.Join(dir, "conn.log")) {
				uids[row["uid"]] = true
			}
			for i, row := range rows {
				for column, from := range tt.columns {
					want, _ := records[i][from].(string)
					if want == "" {
						want = "-"
					}
					if row[column] != want {
						t.Errorf("line %d: %s is %q, want %q", i, column, row[column], want)
					}
				}
				if uid := row["uid"]; uid != "" && !uids[uid] {
					t.Errorf("line %d: uid %q is not in conn.log", i, uid)
				}
			}
		})
	}
}

// readZeek reads a log as Zeek's own tools do, by what its head says.
func readZeek(t *testing.T, path string) (rows []map[string]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if cells[0] == "#fields" {
			names = cells[1:]
		}
		if line[0] == '#' {
			continue
		}
		if len(cells) != len(names) {
			t.Fatalf("line %q has %d fields, want %d", line, len(cells), len(names))
		}
		row := make(map[string]string)
		for i, c := range cells {
			row[names[i]] = c
		}
		rows = append(rows, row)
	}
	return rows
}

func TestSensorWritesParquet(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "lake")
	if got := sensor(t, "--read", captures+"dns.pcap", "--parquet", dir); len(got) != 0 {
		t.Errorf("%d records on stdout", len(got))
	}
	kinds := make(map[string]bool)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if filepath.Ext(path) == ".parquet" {
			rel, _ := filepath.Rel(dir, path)
			kinds[strings.Split(rel, string(filepath.Separator))[0]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if !kinds["kind=dns"] || !kinds["kind=flow"] {
		t.Errorf("Parquet files of %v, want those of dns and flow", kinds)
	}
	if _, err := os.Stat(filepath.Join(dir, "manifest.json")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "journal")); err == nil {
		t.Error("the journal is left behind")
	}
	if err := run(t.Context(), []string{"sensor", "--read", captures + "dns.pcap", "--parquet", dir}, os.Stdout, os.Stderr); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a second time: %v, want an error that the directory is not empty", err)
	}
}

func TestSensorRefusesFlags(t *testing.T) {
	file := captures + "dns.pcap"
	for _, tt := range []struct {
		args string
		want string
	}{
		{"", "want one of -i PORTS and --read FILE"},
		{"-i eth0 --read " + file, "want one of -i PORTS and --read FILE"},
		{"--read " + file + " --site s --zeek d", "--site sends all records to its collector"},
		{"--read " + file + " --key k", "it needs --site FILE"},
		{"--read " + file + " --flows-only --kinds default,layer", "exclude each other"},
		{"--read " + file + " --filter frobnicate", `"frobnicate" is not understood`},
		{"--read - --shards 2", "stdin can be read once"},
		{"--read " + file + " --kinds dns,dnss", `no kind "dnss"; there are flow, dns, tls`},
		{"--read " + file + " --zeek d --parquet d", "directories of their own"},
		{"--read " + file + ".missing", "no such file"},
		{"--read " + file + " more", "--help\" has examples"},
	} {
		err := run(t.Context(), append([]string{"sensor"}, strings.Fields(tt.args)...), os.Stdout, os.Stderr)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("sensor %s: %v, want %q", tt.args, err, tt.want)
		}
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"sensor", "--help"}, &out, &out); err == nil || !strings.Contains(out.String(), "--zeek logs") {
		t.Errorf("help: %v, %q, want examples", err, &out)
	}
}
