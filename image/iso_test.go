package image

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/wire/live"
)

// TestISOReadByOthers: xorriso finds what a BIOS and UEFI would start and the
// files, sgdisk the partition of a stick.
func TestISOReadByOthers(t *testing.T) {
	o := testBase(t)
	if _, err := Build(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	iso := filepath.Join(o.Out, FileISO)
	report := run(t, "xorriso", "-indev", iso, "-report_el_torito", "plain", "-report_system_area", "plain")
	for _, want := range []string{
		"Volume id    : 'TAPROOT'", "BIOS  y   none", "UEFI  y   none", "El Torito img path :   1  /GRUB.IMG",
		"El Torito img opts :   1  boot-info-table", "El Torito img path :   2  /SLOT.IMG", "GPT partname local :   1  live",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("xorriso does not say %q:\n%s", want, report)
		}
	}
	if out := run(t, "sgdisk", "-v", iso); !strings.Contains(out, "No problems found") {
		t.Errorf("sgdisk says\n%s", out)
	}
	disk, err := os.ReadFile(filepath.Join(o.Out, FileDisk))
	if err != nil {
		t.Fatal(err)
	}
	slot, _ := o.Board.Region("slot-a")
	out := t.TempDir()
	run(t, "xorriso", "-osirrox", "on", "-indev", iso, "-extract", "/", filepath.Join(out, "iso"))
	for name, want := range map[string][]byte{
		"SLOT.IMG": disk[slot.Start:][:slot.Size], "HEAD.IMG": disk[:diskHead], "TAIL.IMG": disk[len(disk)-diskTail:],
	} {
		if got, err := os.ReadFile(filepath.Join(out, "iso", name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the disk has (%v)", name, err)
		}
	}
	text, err := os.ReadFile(filepath.Join(out, "iso", "INSTALL.JSN"))
	if err != nil {
		t.Fatal(err)
	}
	sheet, err := live.Parse(text)
	if err != nil || sheet.Size != int64(len(disk)) || sheet.Board != o.Board.Name {
		t.Errorf("install sheet: got %+v, %v", sheet, err)
	}
}

func TestBillOfMaterials(t *testing.T) {
	text := readDir(t, testBase(t).Base)[FileSBOM]
	var b sbom
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	if b.Format != "CycloneDX" || !strings.HasPrefix(b.Serial, "urn:uuid:") || len(b.Depends) != 1 || len(b.Depends[0].On) != len(b.Parts) {
		t.Errorf("got %+v", b)
	}
	for _, purl := range []string{
		"pkg:generic/go@1.26.0", "pkg:golang/example.org/module@v1.2.3",
		"pkg:deb/debian/linux-image-6.1.0-1-amd64@6.1.9-1?arch=amd64", "pkg:deb/debian/grub-pc-bin@2.06-1?arch=amd64",
	} {
		if !bytes.Contains(text, []byte(purl)) {
			t.Errorf("%s is missing", purl)
		}
	}
}
