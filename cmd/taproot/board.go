package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/taproot-sensor/taproot/board"
)

var cmdBoard = command{"board", "list the boards that images can be built for", runBoard}

func runBoard(_ context.Context, args []string, stdout, _ io.Writer) error {
	fs := newFlags("board", "list|show [FLAGS] [NAME]", `  taproot board list
  taproot board list --json
  taproot board show qemu-x86-64
`, stdout)
	asJSON := fs.Bool("json", false, "with list: print JSON")
	if len(args) == 0 {
		fs.Usage()
		return errors.New(`board: say "list" or "show"`)
	}
	verb := args[0]
	if verb == "list" || verb == "show" {
		args = args[1:]
	}
	if err := fs.Parse(args); err != nil {
		return err
	}
	switch {
	case verb == "list" && fs.NArg() == 0 && *asJSON:
		return writeJSON(stdout, board.All())
	case verb == "list" && fs.NArg() == 0:
		return listBoards(stdout)
	case verb == "show" && fs.NArg() == 1:
		b, err := board.Lookup(fs.Arg(0))
		if err != nil {
			return err
		}
		return writeJSON(stdout, b)
	}
	return fmt.Errorf(`board: want "list" or "show NAME", got %q`, append([]string{verb}, fs.Args()...))
}

func listBoards(stdout io.Writer) error {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "BOARD\tARCH\tBOOT\tPORTS\tSUMMARY")
	for _, b := range board.All() {
		ports := ""
		for _, p := range b.Ports {
			ports += p.Name + "=" + string(p.Role) + " "
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", b.Name, b.Debian, joinBoots(b.Boots), ports, b.Summary)
	}
	return w.Flush()
}

func joinBoots(boots []board.Boot) string {
	words := make([]string, len(boots))
	for i, b := range boots {
		words[i] = string(b)
	}
	return strings.Join(words, ", ")
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
