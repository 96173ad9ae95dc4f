// Package manifest is the list of the lake's files: what is in the lake, and
// up to where the journal is in it. docs/format/lake.md has its fields.
//
// It is one JSON file that is replaced whole. A file that it does not list is
// not part of the lake; a file that it lists is complete and does not change.
package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/taproot-sensor/taproot/collector/journal"
	"github.com/taproot-sensor/taproot/internal/durable"
)

// Name is the manifest's name in the lake directory.
const Name = "manifest.json"

const version = 1

// A Manifest says what is in a lake.
type Manifest struct {
	Version  int                 `json:"version"`
	Position journal.Pos         `json:"position"` // all of the journal before it is in Files
	Next     uint64              `json:"next"`     // number of the next file
	Kinds    map[string][]Column `json:"kinds"`    // all columns that a kind's files have
	Files    []File              `json:"files"`
}

// A Column is a column of the files of one kind.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"` // as record.Type prints, or "raw"
}

// A File is one Parquet file.
type File struct {
	Path  string `json:"path"` // below the lake directory
	Kind  string `json:"kind"`
	Rows  int64  `json:"rows"`
	First int64  `json:"first"` // least ts, Unix ns
	Last  int64  `json:"last"`  // greatest ts
	Bytes int64  `json:"bytes"`
}

// Load reads the manifest of the lake in dir. A lake without one is empty.
func Load(dir string) (*Manifest, error) {
	m := &Manifest{Version: version, Kinds: map[string][]Column{}}
	data, err := os.ReadFile(filepath.Join(dir, Name))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err == nil {
		err = json.Unmarshal(data, m)
	}
	if err != nil {
		return nil, fmt.Errorf("reading lake manifest: %w", err)
	}
	if m.Version != version {
		return nil, fmt.Errorf("reading lake manifest: version %d, want %d", m.Version, version)
	}
	for _, f := range m.Files {
		if !filepath.IsLocal(f.Path) {
			return nil, fmt.Errorf("reading lake manifest: file %q is outside the lake", f.Path)
		}
	}
	return m, nil
}

// Save makes m the manifest of the lake in dir. When it returns nil, all of m
// is durable; a crash before that leaves the manifest that was there.
func (m *Manifest) Save(dir string) error {
	data, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("writing lake manifest: %w", err)
	}
	if err := durable.WriteFile(filepath.Join(dir, Name), data, 0o644); err != nil {
		return fmt.Errorf("writing lake manifest: %w", err)
	}
	return nil
}
