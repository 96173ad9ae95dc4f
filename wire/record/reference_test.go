package record_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/taproot-sensor/taproot/wire/record"
)

var update = flag.Bool("update", false, "write docs/records.md anew")

// reference writes the page that explains every kind, from the definitions.
func reference() []byte {
	var b bytes.Buffer
	b.WriteString("# Audit records\n\nMade from the definitions in `wire/record`; `make generate` writes it anew.\n\n" +
		"In JSON, columns whose value is zero, empty or false are left out. In the lake every column of a kind is there, and beside them\n" +
		"`sensor`, `boot` and `batch`, which say where a record came from (docs/format/lake.md).\n")
	for _, d := range record.Kinds() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| column | type | unit | ECS 9 | meaning |\n|---|---|---|---|---|\n", d.Kind, d.Doc)
		for _, f := range d.Fields {
			fmt.Fprintf(&b, "| `%s` | %v | %s | %s | %s |\n", f.Name, f.Type, f.Unit, f.ECS, f.Doc)
		}
	}
	return b.Bytes()
}

func TestReference(t *testing.T) {
	const path = "../../docs/records.md"
	want := reference()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the definitions say; \"make generate\" writes it anew", path)
	}
}
