package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/board"
)

func TestBoardList(t *testing.T) {
	var table, asJSON bytes.Buffer
	if err := run(t.Context(), []string{"board", "list"}, &table, nil); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"board", "list", "--json"}, &asJSON, nil); err != nil {
		t.Fatal(err)
	}
	var boards []board.Board
	if err := json.Unmarshal(asJSON.Bytes(), &boards); err != nil || len(boards) != len(board.All()) {
		t.Errorf("got %d boards, %v; want %d", len(boards), err, len(board.All()))
	}
	for _, b := range boards {
		if !strings.Contains(table.String(), b.Name) {
			t.Errorf("no %q in\n%s", b.Name, &table)
		}
	}
}

func TestImageBuildRefuses(t *testing.T) {
	dir := t.TempDir()
	out, half := filepath.Join(dir, "image"), filepath.Join(dir, "half.toml")
	if err := os.WriteFile(half, []byte("name = \"lab\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"no board", []string{"-o", out}, "--board is missing"},
		{"no output", []string{"--board", "qemu-x86-64"}, "-o is missing"},
		{"unknown board", []string{"--board", "rpi9", "-o", out}, `board "rpi9" is unknown; known are `},
		{"no site file", []string{"--board", "qemu-x86-64", "-o", out, "--site", dir + "/none.toml"}, "none.toml"},
		{"half a site", []string{"--board", "qemu-x86-64", "-o", out, "--site", half}, "half.toml"},
		{"output is a file", []string{"--board", "qemu-x86-64", "-o", half}, "not a directory"},
		{"no base", []string{"--board", "qemu-x86-64", "-o", out, "--base", dir}, "manifest.json"},
		{"a word too many", []string{"--board", "qemu-x86-64", "-o", out, "now"}, `"now" is not understood`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := run(t.Context(), append([]string{"image", "build"}, tt.args...), &bytes.Buffer{}, &bytes.Buffer{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if _, err := os.Stat(out); err == nil {
				t.Error("something was written")
			}
		})
	}
}
