package columns

import (
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// schema returns the schema's tree, depth first (parquet.thrift, SchemaElement).
// Both ways to say what a type means are there: old readers know but
// ConvertedType.
func (w *Writer) schema() []format.SchemaElement {
	all := []format.SchemaElement{{Name: w.name, NumChildren: thrift.New(int32(len(w.sorted)))}}
	for _, c := range w.sorted {
		all = append(all, c.def.schema()...)
	}
	return all
}

func (d Def) schema() []format.SchemaElement {
	e := format.SchemaElement{Name: d.Name, RepetitionType: thrift.New(format.Required), Type: thrift.New(d.Type.physical())}
	switch d.Type {
	case Uint:
		e.ConvertedType = thrift.New(deprecated.Uint64)
		e.LogicalType.Value = &format.IntType{BitWidth: 64}
	case Int:
		e.ConvertedType = thrift.New(deprecated.Int64)
		e.LogicalType.Value = &format.IntType{BitWidth: 64, IsSigned: true}
	case Time:
		e.LogicalType.Value = &format.TimestampType{Unit: format.TimeUnit{Value: new(format.NanoSeconds)}}
	case Text:
		e.ConvertedType = thrift.New(deprecated.UTF8)
		e.LogicalType.Value = new(format.StringType)
	case TextList: // LogicalTypes.md, "Lists"
		return append([]format.SchemaElement{
			{
				Name: d.Name, RepetitionType: thrift.New(format.Required), NumChildren: thrift.New(int32(1)),
				ConvertedType: thrift.New(deprecated.List), LogicalType: format.LogicalType{Value: new(format.ListType)},
			},
			{Name: "list", RepetitionType: thrift.New(format.Repeated), NumChildren: thrift.New(int32(1))},
		}, Def{"element", Text}.schema()...)
	}
	return []format.SchemaElement{e}
}

func (t Type) physical() format.Type {
	switch t {
	case Bool:
		return format.Boolean
	case Uint, Int, Time:
		return format.Int64
	}
	return format.ByteArray
}

// encoding returns how values are written that are not in a dictionary.
func (t Type) encoding() format.Encoding {
	switch t.physical() {
	case format.Boolean:
		return format.Plain
	case format.Int64:
		return format.DeltaBinaryPacked
	}
	return format.DeltaLengthByteArray
}

// path returns the names that lead to the values of a column.
func (d Def) path() []string {
	if d.Type == TextList {
		return []string{d.Name, "list", "element"}
	}
	return []string{d.Name}
}
