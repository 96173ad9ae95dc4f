// Command taproot-query answers one SQL query over a lake, and is trusted with
// nothing: it runs DuckDB, in C++, on data that sensors sent.
//
// The collector starts it for each query. It gives up root, writing, the
// network and every file but the lake's, executes itself so that each of its
// threads is confined, and only then loads anything. The query is on standard
// input; package query documents what is on standard output.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// maxSQL bounds the text of a query, in bytes.
const maxSQL = 1 << 20

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, oneLine(err.Error()))
		os.Exit(1)
	}
}

func run(args []string, stdin io.Reader, stdout io.Writer) error {
	fs := flag.NewFlagSet("taproot-query", flag.ContinueOnError)
	lake := fs.String("lake", "lake", "directory `DIR` of the lake")
	timeout := fs.Duration("timeout", time.Minute, "longest time that the query may take")
	rows := fs.Int("rows", 100_000, "most rows of the answer")
	memory := fs.Int("memory", 1024, "most memory of the query, in MiB")
	confined := fs.Bool("confined", false, "set by the program itself: the rest of its privileges is gone")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if !*confined {
		if err := os.Chdir(*lake); err != nil { // from here on the lake is ".": no other path is needed
			return fmt.Errorf("opening lake: %w", err)
		}
		return confine(append([]string{"taproot-query", "--confined"}, args...))
	}
	sql, err := io.ReadAll(io.LimitReader(stdin, maxSQL+1))
	if err != nil {
		return fmt.Errorf("reading query: %w", err)
	}
	if len(sql) > maxSQL {
		return fmt.Errorf("query is longer than %d bytes", maxSQL)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	err = answer(ctx, string(sql), *memory, *rows, stdout)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("query took longer than %v and was stopped; ask for fewer rows or a shorter time", *timeout)
	case ctx.Err() != nil:
		return errors.New("query was cancelled")
	}
	return err
}

// oneLine joins the lines of an error; DuckDB's show the query with a caret
// below it, which makes no sense in a log.
func oneLine(s string) string {
	s, _, _ = strings.Cut(s, "\n\nLINE ")
	return strings.Join(strings.Fields(s), " ")
}
