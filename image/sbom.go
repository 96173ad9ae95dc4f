package image

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"
)

// A debPackage is a Debian package of which something is in an image.
type debPackage struct{ name, version, arch string }

func (img *image) addPackage(name, version, arch string) {
	img.packages = append(img.packages, debPackage{name, version, arch})
}

// The part of CycloneDX 1.5 (cyclonedx.org/docs/1.5/json) that we use.
type (
	sbom struct {
		Format   string         `json:"bomFormat"`
		Spec     string         `json:"specVersion"`
		Serial   string         `json:"serialNumber"`
		Version  int            `json:"version"`
		Metadata sbomMetadata   `json:"metadata"`
		Parts    []sbomPart     `json:"components"`
		Depends  []sbomDepends  `json:"dependencies"`
		Props    []sbomProperty `json:"properties,omitempty"`
	}
	sbomMetadata struct {
		Component sbomPart `json:"component"`
	}
	sbomPart struct {
		Type    string     `json:"type"`
		Ref     string     `json:"bom-ref"`
		Name    string     `json:"name"`
		Version string     `json:"version"`
		Purl    string     `json:"purl,omitempty"`
		Hashes  []sbomHash `json:"hashes,omitempty"`
	}
	sbomHash struct {
		Alg     string `json:"alg"`
		Content string `json:"content"`
	}
	sbomDepends struct {
		Ref string   `json:"ref"`
		On  []string `json:"dependsOn,omitempty"`
	}
	sbomProperty struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
)

// billOfMaterials lists what the image is made of: the Go modules that its
// program says it was built from, the Debian packages, the kernel's modules. It
// has no date, so that it is the same each time.
func billOfMaterials(m Manifest, info *debug.BuildInfo, packages []debPackage, mods []module) ([]byte, error) {
	self := sbomPart{Type: "firmware", Ref: "taproot-" + m.Board, Name: "taproot-" + m.Board, Version: m.Release}
	b := sbom{Format: "CycloneDX", Spec: "1.5", Version: 1, Metadata: sbomMetadata{Component: self}}
	add := func(p sbomPart) {
		p.Ref = p.Purl
		b.Parts = append(b.Parts, p)
	}
	add(sbomPart{Type: "platform", Name: "go", Version: info.GoVersion, Purl: "pkg:generic/go@" + strings.TrimPrefix(info.GoVersion, "go")})
	for _, d := range info.Deps {
		if d.Replace != nil {
			d = d.Replace
		}
		add(sbomPart{Type: "library", Name: d.Path, Version: d.Version, Purl: "pkg:golang/" + d.Path + "@" + d.Version})
	}
	for _, p := range packages {
		purl := fmt.Sprintf("pkg:deb/debian/%s@%s?arch=%s", p.name, strings.ReplaceAll(p.version, "+", "%2B"), p.arch)
		add(sbomPart{Type: "operating-system", Name: p.name, Version: p.version, Purl: purl})
	}
	depends := sbomDepends{Ref: self.Ref}
	for _, p := range b.Parts {
		depends.On = append(depends.On, p.Ref)
	}
	b.Depends = []sbomDepends{depends}
	for _, mod := range mods {
		b.Props = append(b.Props, sbomProperty{"taproot:kernel-module", mod.name})
	}
	text, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	b.Serial = serial(text)
	text, err = json.MarshalIndent(b, "", "  ")
	return append(text, '\n'), err
}

// serial derives a UUID (RFC 9562, version 8) from what it is the number of.
func serial(text []byte) string {
	u := sha256.Sum256(text)
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:16])
}
