package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/taproot-sensor/taproot/collector/control"
	"github.com/taproot-sensor/taproot/collector/query"
)

var cmdQuery = command{"query", "ask the records a question in SQL", runQuery}

func runQuery(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := newFlags("query", "[FLAGS] SQL", `  taproot query 'SELECT src_addr, sum(src_bytes + dst_bytes) AS bytes FROM flow GROUP BY 1 ORDER BY 2 DESC LIMIT 10'
  taproot query 'SELECT name, count(*) FROM dns GROUP BY name ORDER BY 2 DESC'
  taproot query --csv "SELECT ts, sni FROM tls WHERE date = '2026-11-21'" > tls.csv
  taproot query --json 'SELECT * FROM sensor ORDER BY ts DESC LIMIT 5'
  taproot query 'SHOW TABLES'
  taproot query 'DESCRIBE flow'
`, stdout)
	data := dataFlag(fs)
	asJSON := fs.Bool("json", false, "print one JSON object per row")
	asCSV := fs.Bool("csv", false, "print CSV with a header")
	if err := parse(fs, args, 1); err != nil {
		return err
	}
	if *asJSON && *asCSV {
		return errors.New("query: say --json or --csv, not both")
	}
	var out rowWriter
	switch {
	case *asJSON:
		out = &jsonRows{w: stdout}
	case *asCSV:
		out = &textRows{csv.NewWriter(stdout)}
	default:
		out = &tableRows{w: tabwriter.NewWriter(stdout, 0, 8, 2, ' ', 0)}
	}
	var end query.End
	err := control.NewClient(*data).Query(ctx, fs.Arg(0), func(line []byte) error {
		var wait query.Wait
		if bytes.HasPrefix(line, []byte(`{"behind":`)) && json.Unmarshal(line, &wait) == nil {
			fmt.Fprintf(stderr, "%d MB of the journal are still to become Parquet\n", wait.Behind>>20)
			return nil
		}
		return printLine(out, &end, line)
	})
	if ferr := out.flush(); err == nil {
		err = ferr
	}
	if err == nil && end.More {
		fmt.Fprintf(stderr, "only the first %d rows are shown; add a LIMIT or ask for less\n", end.Rows)
	}
	return err
}

// printLine prints one line of an answer: the head, a row, or the end.
func printLine(out rowWriter, end *query.End, line []byte) error {
	if line[0] == '[' {
		var row []json.RawMessage
		if err := json.Unmarshal(line, &row); err != nil {
			return err
		}
		return out.row(row)
	}
	var head query.Head
	if err := json.Unmarshal(line, &head); err != nil {
		return err
	}
	if head.Columns == nil {
		return json.Unmarshal(line, end)
	}
	var names []string
	for _, c := range head.Columns {
		names = append(names, c.Name)
	}
	return out.head(names)
}

// rowWriter is one way to print an answer.
type rowWriter interface {
	head(columns []string) error
	row(values []json.RawMessage) error
	flush() error
}

// textRows prints CSV.
type textRows struct{ w *csv.Writer }

func (t *textRows) head(columns []string) error        { return t.w.Write(columns) }
func (t *textRows) row(values []json.RawMessage) error { return t.w.Write(texts(values, "")) }
func (t *textRows) flush() error                       { t.w.Flush(); return t.w.Error() }

// tableRows prints an aligned table. Texts are what strangers sent: of those
// only a plan has lines of its own.
type tableRows struct {
	w    *tabwriter.Writer
	plan bool // the answer to EXPLAIN
}

func (t *tableRows) head(columns []string) error {
	t.plan = columns[0] == "explain_key"
	return t.line(columns)
}

func (t *tableRows) row(values []json.RawMessage) error {
	cells := texts(values, "NULL")
	for i, c := range cells {
		if c == "" {
			continue
		}
		if !t.plan {
			cells[i] = printable(c)
			continue
		}
		lines := strings.Split(c, "\n")
		for k := range lines {
			lines[k] = printable(lines[k])
		}
		cells[i] = strings.Join(lines, "\n")
		if len(lines) > 1 { // such as a plan: it begins at the left
			cells[i] = "\n" + cells[i]
		}
	}
	return t.line(cells)
}

func (t *tableRows) line(cells []string) error {
	_, err := fmt.Fprintln(t.w, strings.Join(cells, "\t"))
	return err
}

func (t *tableRows) flush() error { return t.w.Flush() }

// texts returns values as people read them: texts without quotes, all else as
// JSON has it.
func texts(values []json.RawMessage, null string) []string {
	cells := make([]string, len(values))
	for i, v := range values {
		switch {
		case string(v) == "null":
			cells[i] = null
		case v[0] != '"' || json.Unmarshal(v, &cells[i]) != nil:
			cells[i] = string(v)
		}
	}
	return cells
}

// jsonRows prints an object per row.
type jsonRows struct {
	w    io.Writer
	keys [][]byte
}

func (j *jsonRows) head(columns []string) error {
	for _, c := range columns {
		key, err := json.Marshal(c)
		if err != nil {
			return err
		}
		j.keys = append(j.keys, key)
	}
	return nil
}

func (j *jsonRows) row(values []json.RawMessage) error {
	line := []byte{'{'}
	for i, v := range values {
		if i > 0 {
			line = append(line, ',')
		}
		line = append(append(append(line, j.keys[i]...), ':'), v...)
	}
	_, err := j.w.Write(append(line, "}\n"...))
	return err
}

func (j *jsonRows) flush() error { return nil }
