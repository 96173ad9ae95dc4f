// Package query asks the lake questions in SQL.
//
// DuckDB parses what sensors sent, in C++, so it runs in a process of its own,
// cmd/taproot-query: without privileges, without keys, able to read the lake
// and nothing else. This package finds and runs that program, and defines what
// it prints: JSON lines, first a Head, then each row as an array, last an End.
package query

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Wait is a line before an answer, while records that came before the question
// are still on their way into the lake.
type Wait struct {
	Behind int64 `json:"behind"` // bytes of the journal that are still to be read
}

// Head is the first line of an answer.
type Head struct {
	Columns []Column `json:"columns"`
}

// Column is a column of an answer.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"` // in DuckDB's words
}

// End is the last line of an answer. An answer without it was cut.
type End struct {
	Rows int  `json:"rows"`
	More bool `json:"more"` // there are more rows than the limit
}

// program is the name of the DuckDB process.
const program = "taproot-query"

// maxStderr bounds what is kept of the program's complaint.
const maxStderr = 16 << 10

// Options say where things are; zero means the default.
type Options struct {
	Binary  string        // taproot-query; default: as Find finds it
	LakeDir string        // directory of the lake
	Timeout time.Duration // of one query; default 1 min
	MaxRows int           // of one answer; default 100 000
}

// Find returns the path of taproot-query: beside the running program, in bin
// below the working directory (where make puts it), or in PATH.
func Find() (string, error) {
	var places []string
	if self, err := os.Executable(); err == nil {
		places = append(places, filepath.Join(filepath.Dir(self), program))
	}
	places = append(places, filepath.Join("bin", program))
	for _, p := range places {
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() {
			return p, nil
		}
	}
	if p, err := exec.LookPath(program); err == nil {
		return p, nil
	}
	return "", fmt.Errorf("%s is not beside the taproot program, not in ./bin and not in PATH; \"make build\" makes it (it needs a C++ compiler)", program)
}

// Run answers sql on out. An error is one line that says what is wrong with the
// query, or why it could not be asked; out may have part of an answer by then.
func Run(ctx context.Context, o Options, sql string, out io.Writer) error {
	if o.Binary == "" {
		var err error
		if o.Binary, err = Find(); err != nil {
			return err
		}
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.MaxRows == 0 {
		o.MaxRows = 100_000
	}
	cmd := exec.CommandContext(ctx, o.Binary, "--lake", o.LakeDir, "--timeout", o.Timeout.String(), "--rows", fmt.Sprint(o.MaxRows))
	cmd.Env = []string{} // nothing in ours is its business
	cmd.Stdin = strings.NewReader(sql)
	cmd.Stdout = out
	complaint := new(firstBytes)
	cmd.Stderr = complaint
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 2 * time.Second // then it is killed
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit) && exit.ExitCode() == 1 && complaint.Len() > 0:
		return errors.New(strings.TrimSpace(complaint.String()))
	}
	first, _, _ := strings.Cut(complaint.String(), "\n") // of a crash there is more
	return fmt.Errorf("running %s: %w: %s", o.Binary, err, first)
}

// firstBytes keeps the first maxStderr bytes.
type firstBytes struct{ bytes.Buffer }

func (b *firstBytes) Write(p []byte) (int, error) {
	b.Buffer.Write(p[:min(len(p), maxStderr-b.Len())])
	return len(p), nil
}
