package image

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// The files of an image.
const (
	FileManifest  = "manifest.json"
	FileSums      = "SHA256SUMS"
	FileKernel    = "vmlinuz"       // as Debian packs it
	FileVmlinux   = "vmlinux"       // the same kernel unpacked, x86 only
	FileInitramfs = "initramfs.img" // what the kernel unpacks and runs
	FileUKI       = "taproot.efi"   // kernel and initramfs for UEFI
	FileLoader    = "u-boot.bin"    // U-Boot, where QEMU is handed it
	FileDisk      = "disk.img"      // what a board is flashed with
	FileISO       = "taproot.iso"   // a CD and a stick: runs in RAM, or installs
	FileSlot      = "slot.img.zst"  // one slot, compressed: what an update brings
	FileIPXE      = "boot.ipxe"     // a script for iPXE that starts the image over HTTP
	FileSBOM      = "sbom.cdx.json" // what the image is made of, CycloneDX
)

// A Manifest says what an image is.
type Manifest struct {
	Board       string            `json:"board"`
	Kernel      string            `json:"kernel"` // release, "6.1.0-50-amd64"
	KernelDeb   string            `json:"kernel_package"`
	Release     string            `json:"release"`
	Debug       bool              `json:"debug,omitempty"`
	CommandLine string            `json:"command_line"`
	Site        string            `json:"site,omitempty"` // name; "" in a base image
	Files       map[string]Digest `json:"files"`

	// Signer is the SHA-256 of the certificate that UEFI knows the image by.
	Signer string `json:"signer,omitempty"`

	// Slot is the slot that FileSlot holds, as it lies on a disk.
	Slot *Digest `json:"slot,omitempty"`
}

// A Digest is the size and SHA-256 of one file.
type Digest struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// An image is its files in memory, by name, and what they are.
type image struct {
	manifest Manifest
	files    map[string][]byte
	packages []debPackage // what files are made of; valid for an image being built
}

// readImage reads and checks an image that writeTo wrote.
func readImage(dir string) (*image, error) {
	b, err := os.ReadFile(filepath.Join(dir, FileManifest))
	if err != nil {
		return nil, fmt.Errorf("opening image: %w", err)
	}
	img := &image{files: map[string][]byte{}}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&img.manifest); err != nil {
		return nil, fmt.Errorf("opening image %q: %s: %w", dir, FileManifest, err)
	}
	for name, want := range img.manifest.Files {
		if !filepath.IsLocal(name) {
			return nil, fmt.Errorf("opening image %q: file name %q leads out of it", dir, name)
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("opening image: %w", err)
		}
		if got := digest(data); got != want {
			return nil, fmt.Errorf("opening image %q: %s has %d bytes, SHA-256 %s; the manifest says %d, %s",
				dir, name, got.Size, got.SHA256, want.Size, want.SHA256)
		}
		img.files[name] = data
	}
	return img, nil
}

// writeTo writes the image as directory dir: complete, or not at all. It
// replaces an image that is there and refuses to replace anything else.
func (img *image) writeTo(dir string) error {
	old, err := replaceable(dir)
	if err != nil {
		return err
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, ".taproot-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	fresh := filepath.Join(tmp, "new")
	if err := os.Mkdir(fresh, 0o755); err != nil {
		return err
	}
	if err := img.writeFiles(fresh); err != nil {
		return err
	}
	if old {
		if err := os.Rename(dir, filepath.Join(tmp, "old")); err != nil {
			return err
		}
	}
	return os.Rename(fresh, dir)
}

func (img *image) writeFiles(dir string) error {
	img.manifest.Files = map[string]Digest{}
	var sums bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(img.files)) {
		d := digest(img.files[name])
		img.manifest.Files[name] = d
		fmt.Fprintf(&sums, "%s  %s\n", d.SHA256, name)
		if err := os.WriteFile(filepath.Join(dir, name), img.files[name], 0o644); err != nil {
			return err
		}
	}
	manifest, err := json.MarshalIndent(img.manifest, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, FileManifest), append(manifest, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, FileSums), sums.Bytes(), 0o644)
}

// replaceable reports whether there is something at dir, and returns an error
// if that is neither an image nor an empty directory.
func replaceable(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	isManifest := func(e fs.DirEntry) bool { return e.Name() == FileManifest }
	if len(entries) > 0 && !slices.ContainsFunc(entries, isManifest) {
		return false, fmt.Errorf("directory %q is not empty and is not an image; name another", dir)
	}
	return true, nil
}

func digest(data []byte) Digest {
	sum := sha256.Sum256(data)
	return Digest{Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])}
}

// ReadSlot returns what an image is, and the slot of it that an update brings,
// compressed.
func ReadSlot(dir string) (Manifest, []byte, error) {
	img, err := readImage(dir)
	if err != nil {
		return Manifest{}, nil, err
	}
	slot := img.files[FileSlot]
	switch {
	case img.manifest.Slot == nil || slot == nil:
		return Manifest{}, nil, fmt.Errorf("image %q has no slot: board %q is not updated", dir, img.manifest.Board)
	case img.manifest.Site == "":
		return Manifest{}, nil, fmt.Errorf("image %q is a base image: a sensor that is updated to it would know no collector; build it with --site", dir)
	}
	return img.manifest, slot, nil
}
