// Package record defines the audit records: what a sensor says about traffic.
//
// A kind is one Go struct (flow.go, dns.go, …) whose field tags are its whole
// definition. From it come the sensor's columnar encoder (Builder), the
// collector's table schema, the JSON and ECS names and docs/records.md. Adding
// a kind is one struct here, one line in kinds.go, and its decoder.
//
// Records travel as blocks: all rows of one kind, column by column, each
// column with its name and type, so that a collector keeps kinds and columns
// it has never heard of. docs/format/record.md has the bytes.
package record

import (
	"fmt"
	"net/netip"
	"reflect"
	"time"
)

// Type is how a column's values are written.
type Type uint8

// The column types. Their numbers are on the wire.
const (
	Bool     Type = 1 // one bit
	Uint     Type = 2 // unsigned, up to 64 bits
	Int      Type = 3 // signed, up to 64 bits
	Time     Type = 4 // Unix nanoseconds
	Duration Type = 5 // nanoseconds
	Addr     Type = 6 // IPv4 or IPv6 address: 4 or 16 bytes, or none
	MAC      Type = 7 // 48-bit hardware address: 6 bytes, or none
	String   Type = 8 // UTF-8 text
	Strings  Type = 9 // a list of UTF-8 texts
)

var typeNames = map[Type]string{
	Bool: "bool", Uint: "uint", Int: "int", Time: "time", Duration: "duration",
	Addr: "address", MAC: "mac", String: "string", Strings: "strings",
}

func (t Type) String() string {
	if s, ok := typeNames[t]; ok {
		return s
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// inDict reports whether values of t are written as indexes into a dictionary
// of byte strings.
func (t Type) inDict() bool { return t >= Addr && t <= Strings }

// Nanos is a moment: Unix nanoseconds, 0 for none. Records carry it in place
// of time.Time, which holds a pointer and three words.
type Nanos int64

// Time returns n as a UTC time.
func (n Nanos) Time() time.Time { return time.Unix(0, int64(n)).UTC() }

// HardwareAddr is a 48-bit MAC address; all zero is none.
type HardwareAddr [6]byte

// Def describes one kind.
type Def struct {
	Kind   string
	Doc    string // what one record is
	Fields []Field

	typ reflect.Type
}

// Field describes one column of a kind.
type Field struct {
	Name string // column and JSON name
	Type Type
	Unit string // "ns", "bytes", … or "" where there is none
	ECS  string // Elastic Common Schema 9 name, or "" where there is none
	Doc  string // what the value means
}

// define reads the definition of a kind from the tags of its struct T:
//
//	SrcPort uint16 `col:"src_port" ecs:"source.port" unit:"" doc:"port of the client"`
//
// Every field must be exported and tagged; a mistake is a bug and panics at
// start.
func define[T any](kind, doc string) *Def {
	typ := reflect.TypeFor[T]()
	d := &Def{Kind: kind, Doc: doc, typ: typ}
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, text := f.Tag.Get("col"), f.Tag.Get("doc")
		t := typeOf(f.Type)
		if name == "" || text == "" || t == 0 {
			panic(fmt.Sprintf("record: kind %q: field %s has no name, no doc or no column type", kind, f.Name))
		}
		d.Fields = append(d.Fields, Field{Name: name, Type: t, Unit: f.Tag.Get("unit"), ECS: f.Tag.Get("ecs"), Doc: text})
	}
	return d
}

// typeOf returns the column type of a struct field, or 0.
func typeOf(t reflect.Type) Type {
	switch t {
	case reflect.TypeFor[Nanos]():
		return Time
	case reflect.TypeFor[time.Duration]():
		return Duration
	case reflect.TypeFor[netip.Addr]():
		return Addr
	case reflect.TypeFor[HardwareAddr]():
		return MAC
	case reflect.TypeFor[[]string]():
		return Strings
	}
	switch t.Kind() {
	case reflect.Bool:
		return Bool
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return Uint
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return Int
	case reflect.String:
		return String
	}
	return 0
}
