package main

import (
	"bufio"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/taproot-sensor/taproot/collector/lake/manifest"
	"github.com/taproot-sensor/taproot/collector/query"
	"github.com/taproot-sensor/taproot/wire/record"
)

// answer answers sql over the lake in the working directory.
func answer(ctx context.Context, sql string, memory, maxRows int, out io.Writer) error {
	m, err := manifest.Load(".")
	if err != nil {
		return err
	}
	// These two from the start: else DuckDB looks for them in /proc and /sys,
	// which it cannot read here, and aborts.
	connector, err := duckdb.NewConnector(fmt.Sprintf("?threads=%d&memory_limit=%dMiB", runtime.NumCPU(), memory), nil)
	if err != nil {
		return err
	}
	defer connector.Close()
	conn, err := connector.Connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, s := range append(views(m), settings(m)...) {
		if _, err := conn.(driver.ExecerContext).ExecContext(ctx, s, nil); err != nil {
			return fmt.Errorf("preparing the lake: %w", err)
		}
	}
	return ask(ctx, conn.(*duckdb.Conn), sql, maxRows, out)
}

// settings close the database: it can read the files that the manifest lists,
// and nobody can change that any more.
func settings(m *manifest.Manifest) []string {
	files := make([]string, len(m.Files))
	for i, f := range m.Files {
		files[i] = quote(f.Path, '\'')
	}
	return []string{
		"SET temp_directory = ''",
		"SET TimeZone = 'UTC'",
		"SET autoinstall_known_extensions = false",
		"SET autoload_known_extensions = false",
		"SET allow_community_extensions = false",
		"SET allowed_paths = [" + strings.Join(files, ", ") + "]",
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	}
}

// sqlTypes are the types that a lake's columns have in SQL.
var sqlTypes = map[string]string{
	record.Bool.String(): "BOOLEAN", record.Uint.String(): "UBIGINT", record.Int.String(): "BIGINT",
	record.Time.String(): "TIMESTAMP_NS", record.Duration.String(): "BIGINT",
	record.Addr.String(): "VARCHAR", record.MAC.String(): "VARCHAR", record.String.String(): "VARCHAR",
	record.Strings.String(): "VARCHAR[]",
}

func sqlType(name string) string {
	if t, ok := sqlTypes[name]; ok {
		return t
	}
	return "BLOB"
}

// views returns a CREATE VIEW for every kind, over exactly the files that the
// manifest lists. A kind without files, and a column that no file has yet, are
// there too, so that a query does not depend on what was seen.
func views(m *manifest.Manifest) (statements []string) {
	files := make(map[string][]string)
	for _, f := range m.Files {
		files[f.Kind] = append(files[f.Kind], quote(f.Path, '\''))
	}
	kinds := make(map[string]bool)
	for _, def := range record.Kinds() {
		kinds[def.Kind] = true
	}
	for kind := range files {
		kinds[kind] = true
	}
	for kind := range kinds {
		have := m.Kinds[kind]
		if len(files[kind]) == 0 {
			have = nil
		}
		s := "CREATE VIEW " + quote(kind, '"') + " AS SELECT " + strings.Join(selection(kind, have), ", ")
		if have == nil {
			s += " WHERE false"
		} else {
			s += fmt.Sprintf(" FROM read_parquet([%s], union_by_name = true, hive_partitioning = true, hive_types = {'kind': VARCHAR, 'date': DATE, 'hour': INTEGER})",
				strings.Join(files[kind], ", "))
		}
		statements = append(statements, s)
	}
	return statements
}

// selection returns the columns of a view: those of the definition in its
// order, then others that files have, then where a row came from.
func selection(kind string, have []manifest.Column) (columns []string) {
	types, seen := make(map[string]string), make(map[string]bool)
	for _, c := range have {
		types[c.Name] = sqlType(c.Type)
	}
	column := func(name, typ string) {
		if seen[name] {
			return
		}
		seen[name] = true
		q := quote(name, '"')
		if t, ok := types[name]; ok {
			columns = append(columns, fmt.Sprintf("%s::%s AS %s", q, t, q))
		} else {
			columns = append(columns, fmt.Sprintf("NULL::%s AS %s", typ, q))
		}
	}
	origin := map[string]bool{"sensor": true, "boot": true, "batch": true, "received": true}
	if def := record.Lookup(kind); def != nil {
		for _, f := range def.Fields {
			column(f.Name, sqlType(f.Type.String()))
		}
	}
	for _, c := range have {
		if !origin[c.Name] {
			column(c.Name, sqlType(c.Type))
		}
	}
	column("sensor", "VARCHAR")
	column("boot", "VARCHAR")
	column("batch", "UBIGINT")
	column("received", "TIMESTAMP_NS")
	if have == nil {
		return append(columns, "NULL::DATE AS date", "NULL::INTEGER AS hour")
	}
	return append(columns, "date", "hour")
}

func quote(s string, q byte) string {
	return string(q) + strings.ReplaceAll(s, string(q), string(q)+string(q)) + string(q)
}

// ask runs one statement and writes its answer.
func ask(ctx context.Context, conn *duckdb.Conn, sql string, maxRows int, out io.Writer) error {
	prepared, err := conn.Prepare(sql) // refuses more than one statement, and runs none
	switch {
	case err != nil && strings.Contains(err.Error(), "multi-statement"):
		return errors.New("ask one question at a time")
	case err != nil:
		return errors.New(strings.TrimPrefix(err.Error(), "could not prepare query\n"))
	}
	defer prepared.Close()
	stmt := prepared.(*duckdb.Stmt)
	kind, err := stmt.StatementType()
	if err != nil {
		return err
	}
	if kind != duckdb.STATEMENT_TYPE_SELECT && kind != duckdb.STATEMENT_TYPE_EXPLAIN {
		return errors.New("only questions can be asked: SELECT, WITH, FROM, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN")
	}
	rows, err := stmt.QueryContext(ctx, nil)
	if err != nil {
		return err
	}
	defer rows.Close()
	w := bufio.NewWriterSize(out, 64<<10)
	if err := writeRows(w, rows, maxRows); err != nil {
		w.Flush() // what came before the error
		return err
	}
	return w.Flush()
}

func writeRows(w *bufio.Writer, rows driver.Rows, maxRows int) error {
	var head query.Head
	for i, name := range rows.Columns() {
		head.Columns = append(head.Columns, query.Column{Name: name, Type: rows.(driver.RowsColumnTypeDatabaseTypeName).ColumnTypeDatabaseTypeName(i)})
	}
	if err := writeLine(w, head); err != nil {
		return err
	}
	var end query.End
	values := make([]driver.Value, len(head.Columns))
	for {
		err := rows.Next(values)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if end.Rows == maxRows {
			end.More = true
			break
		}
		end.Rows++
		line := make([]any, len(values))
		for i, v := range values {
			line[i] = plain(v)
		}
		if err := writeLine(w, line); err != nil {
			return err
		}
	}
	return writeLine(w, end)
}
