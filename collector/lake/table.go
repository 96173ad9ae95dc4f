package lake

import (
	"github.com/taproot-sensor/taproot/collector/lake/columns"
	"github.com/taproot-sensor/taproot/collector/lake/manifest"
	"github.com/taproot-sensor/taproot/wire/record"
)

// Bounds of what sensors can make the lake have. What is beyond is dropped and
// counted.
const (
	maxUnknownKinds = 64
	maxColumns      = 96 // of a kind
)

// originColumns say where a row came from. Every file has them, filled by the
// collector and never by a sensor.
var originColumns = []manifest.Column{
	{Name: "sensor", Type: record.String.String()}, // first 16 hex digits of its identity
	{Name: "boot", Type: record.String.String()},   // 32 hex digits
	{Name: "batch", Type: record.Uint.String()},
	{Name: "received", Type: record.Time.String()},
}

// reserved are the names that partitions, readers and origins use.
var reserved = map[string]bool{"kind": true, "date": true, "hour": true, "filename": true, "sensor": true, "boot": true, "batch": true, "received": true}

// rawType is the type of columns whose own type this release does not know.
const rawType = "raw"

func typeName(t record.Type) string {
	if t < record.Bool || t > record.Strings {
		return rawType
	}
	return t.String()
}

// table is the columns of one kind. They only grow.
type table struct {
	kind    string
	columns []manifest.Column
	index   map[string]int // by name
}

// newTable returns the table of kind: what the manifest has, what this release
// defines.
func newTable(kind string, have []manifest.Column) *table {
	t := &table{kind: kind, index: make(map[string]int)}
	for _, c := range originColumns {
		t.add(c)
	}
	for _, c := range have[min(len(originColumns), len(have)):] {
		t.add(c)
	}
	if def := record.Lookup(kind); def != nil {
		for _, f := range def.Fields {
			t.column(f.Name, f.Type)
		}
	}
	return t
}

func (t *table) add(c manifest.Column) int {
	t.index[c.Name] = len(t.columns)
	t.columns = append(t.columns, c)
	return len(t.columns) - 1
}

// column returns the index of the column that holds values called name of type
// typ, and adds it if need be. Where the name is taken, by the collector or by
// values of another type, the type is appended to it. It returns -1 where there
// are too many columns.
func (t *table) column(name string, typ record.Type) int {
	kind := typeName(typ)
	for {
		i, taken := t.index[name]
		switch {
		case taken && !reserved[name] && t.columns[i].Type == kind:
			return i
		case !taken && !reserved[name]:
			if len(t.columns) >= maxColumns {
				return -1
			}
			return t.add(manifest.Column{Name: name, Type: kind})
		}
		name += "_" + kind
	}
}

// defs returns the columns as a file has them. All columns are required: what a
// sensor left out is zero, and an address or text that is none is empty.
// Readers see NULL only where a file is older than a column.
func (t *table) defs() []columns.Def {
	defs := make([]columns.Def, len(t.columns))
	for i, c := range t.columns {
		defs[i] = columns.Def{Name: c.Name, Type: fileType(c.Type)}
	}
	return defs
}

func fileType(columnType string) columns.Type {
	switch columnType {
	case record.Bool.String():
		return columns.Bool
	case record.Uint.String():
		return columns.Uint
	case record.Int.String(), record.Duration.String():
		return columns.Int
	case record.Time.String():
		return columns.Time
	case record.Strings.String():
		return columns.TextList
	case rawType:
		return columns.Bytes
	}
	return columns.Text
}
