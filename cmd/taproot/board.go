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

var cmdBoard = command{"board", "list the boards that images can be built for, and show one", runBoard}

func runBoard(_ context.Context, args []string, stdout, _ io.Writer) error {
	fs := newFlags("board", "list|show [FLAGS] [NAME]", `  taproot board list
  taproot board list --json
  taproot board show pc
  taproot board show --json pc
`, stdout)
	asJSON := fs.Bool("json", false, "print JSON")
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
		if *asJSON {
			return writeJSON(stdout, b)
		}
		return showBoard(stdout, b)
	}
	return fmt.Errorf(`board: want "list" or "show NAME", got %q`, append([]string{verb}, fs.Args()...))
}

func listBoards(stdout io.Writer) error {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "BOARD\tARCH\tBOOT\tPROVEN\tSUMMARY")
	for _, b := range board.All() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", b.Name, b.Debian, joinBoots(b.Boots), b.Proof, b.Summary)
	}
	return w.Flush()
}

// showBoard says what a person who holds the board wants to know.
func showBoard(stdout io.Writer, b *board.Board) error {
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("board", "%s: %s", b.Name, b.Summary)
	row("processor", "%s", b.Debian)
	row("kernel", "Debian's %s", b.Kernel)
	row("boots by", "%s", joinBoots(b.Boots))
	if b.Loader != nil {
		row("boot loader", "U-Boot, Debian's %s", b.Loader.Package)
	}
	for _, need := range b.Needs {
		row("needs", "%s", need)
	}
	for i, p := range b.Ports {
		where := p.Device
		if where == "" {
			where = fmt.Sprintf("Ethernet adapter number %d, in the order of PCI addresses and USB behind them", i+1)
		}
		row("port "+p.Name, "%s, %s", p.Role, where)
	}
	for _, p := range b.Pins {
		level := ""
		if p.ActiveLow {
			level = ", active low"
		}
		row("pin "+string(p.Role), "%s line %d%s", p.Chip, p.Line, level)
	}
	console := b.Console
	if b.Screen {
		console += ", and the screen"
	}
	row("console", "%s", console)
	row("watchdog", "%s", b.Watchdog)
	for _, r := range b.Disk {
		row("disk "+r.Name, "%d KiB at %d KiB", r.Size>>10, r.Start>>10)
	}
	row("proven", "%s: %s", b.Proof, b.Proven)
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
