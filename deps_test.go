package taproot_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/taproot-sensor/taproot/"

// house is a top-level folder, and what it may import of the others. A folder
// that is not here is a mistake.
type house struct {
	imports []string
	// pure houses take nothing but the standard library and golang.org/x.
	pure bool
	why  string
}

var houses = map[string]house{
	"internal":     {pure: true, why: "internal has small things with no domain"},
	"board":        {imports: []string{"internal"}, pure: true, why: "boards are data"},
	"wire":         {imports: []string{"internal"}, pure: true, why: "wire is values <-> bytes, for machines of both sides"},
	"firmware":     {imports: []string{"internal", "board", "wire"}, why: "a sensor knows nothing of the collector's code"},
	"image":        {imports: []string{"internal", "board", "wire"}, why: "an image is made of bytes, not of a running sensor"},
	"provisioning": {imports: []string{"internal", "board", "wire"}, why: "keys and tokens are made where no collector runs"},
	"collector":    {imports: []string{"internal", "wire", "provisioning"}, why: "the collector knows nothing of boards and of the sensor's code"},
	"cmd":          {imports: []string{"internal", "board", "wire", "firmware", "image", "provisioning", "collector"}, why: "nobody needs the rig to run"},
	"hwtest":       {imports: []string{"internal", "board", "wire", "firmware", "image", "provisioning", "collector"}, why: "commands are run, not imported"},
}

// stages are the packages of the sensor that exchange plain values and do not
// know each other; meter joins the first four, package firmware and cmd/init
// the rest.
var stages = []string{"capture", "decode", "flow", "app", "spool", "uplink"}

// forbidden are modules that must not come in by any road.
var forbidden = map[string]string{
	"github.com/pion/dtls/v2":           "its last version has two unfixed advisories; v3 is maintained",
	"github.com/google/gopacket/layers": "it panics on real captures; decoding is ours",
}

// exceptions are modules that a package of a pure house may import all the same.
var exceptions = map[string]string{
	"wire/delta": "github.com/klauspost/compress/zstd", // the encoder's output is part of the format
}

type pkg struct {
	ImportPath   string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

func packages(t *testing.T) (all []pkg) {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "./...")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// room splits an import path of ours into its house and the rest.
func room(path string) (name, rest string, ours bool) {
	rest, ours = strings.CutPrefix(path, module)
	name, rest, _ = strings.Cut(rest, "/")
	return name, rest, ours
}

func TestImports(t *testing.T) {
	for _, p := range packages(t) {
		name, inside, ours := room(p.ImportPath)
		if !ours {
			continue // the root, which has only this test
		}
		h, ok := houses[name]
		if !ok {
			t.Errorf("%s: no house %q is planned; docs/architecture.md lists them", p.ImportPath, name)
			continue
		}
		for _, imp := range p.Imports {
			checkImport(t, p.ImportPath, name, inside, h, imp)
		}
		for _, imp := range append(p.TestImports, p.XTestImports...) {
			if to, _, ours := room(imp); ours && to != name && to != "internal" && name != "hwtest" && name != "cmd" && !allowed(h, to) {
				t.Errorf("%s: its tests import %s: %s", p.ImportPath, imp, h.why)
			}
		}
	}
}

func checkImport(t *testing.T, from, name, inside string, h house, imp string) {
	t.Helper()
	if why, bad := forbidden[imp]; bad {
		t.Errorf("%s imports %s: %s", from, imp, why)
	}
	to, toInside, ours := room(imp)
	switch {
	case !ours && h.pure && strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") && !strings.HasPrefix(imp, "golang.org/x/") && exceptions[strings.TrimPrefix(from, module)] != imp:
		t.Errorf("%s imports %s: %s only takes the standard library and golang.org/x", from, imp, name)
	case ours && to != name && !allowed(h, to):
		t.Errorf("%s imports %s: %s", from, imp, h.why)
	case ours && name == "firmware" && to == "firmware" && isStage(inside) && isStage(toInside) && inside != toInside:
		t.Errorf("%s imports %s: stages exchange plain values and do not know each other", from, imp)
	}
}

func allowed(h house, to string) bool {
	for _, name := range h.imports {
		if name == to {
			return true
		}
	}
	return false
}

func isStage(inside string) bool {
	for _, s := range stages {
		if s == inside {
			return true
		}
	}
	return false
}

// The whole of go.sum is searched: a forbidden module must not even be a
// dependency of a dependency.
func TestForbiddenModules(t *testing.T) {
	sum, err := os.ReadFile("go.sum")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(sum), "github.com/pion/dtls/v2 ") {
		t.Error("go.sum has github.com/pion/dtls/v2: " + forbidden["github.com/pion/dtls/v2"])
	}
}

// heavy are packages that a sensor does without, by how their paths begin. Those
// that look up methods by name keep Go's linker from dropping any (docs/adr/0104).
var heavy = map[string]string{
	"github.com/theupdateframework/": "wire/release verifies",
	"github.com/sigstore/":           "wire/release verifies",
	"google.golang.org/":             "the linker keeps all methods because of it",
	"text/template":                  "the linker keeps all methods because of it",
	"html/template":                  "the linker keeps all methods because of it",
}

func TestSensorIsSmall(t *testing.T) {
	cmd := exec.Command("go", "list", "-deps", "./cmd/init")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range strings.Fields(string(out)) {
		for prefix, why := range heavy {
			if strings.HasPrefix(path, prefix) {
				t.Errorf("cmd/init has %s: %s", path, why)
			}
		}
	}
}

// The sensor's binary must be static, so nothing that it is made of may need
// cgo.
func TestSensorNeedsNoCgo(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64", "arm"} {
		cmd := exec.Command("go", "list", "-deps", "-f", "{{if .CgoFiles}}{{.ImportPath}}{{end}}", "./cmd/init", "./cmd/taproot")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", arch, err, out)
		}
		if text := strings.TrimSpace(string(out)); text != "" {
			t.Errorf("%s: packages with cgo: %s", arch, text)
		}
	}
}
