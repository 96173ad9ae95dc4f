package image

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/u-root/u-root/pkg/cpio"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/wire/site"
)

var testSite = site.Site{Name: "lab", Collectors: []string{"192.0.2.1:4739"}, Box: site.Key{1}, Identity: site.Key{2}, Next: site.Key{3}}

// fakeMkimage stands for GRUB's own, which TestBuildFromSource runs: a core with
// nothing in it but the length that it should have.
const fakeMkimage = `#!/bin/sh
while [ "$1" != --output ]; do shift; done
head -c 20000 /dev/zero >"$2"
`

// testOptions returns options for a UEFI board, with a cache that holds a made-up
// kernel of one module and a made-up EFI stub.
func testOptions(t *testing.T) Options {
	t.Helper()
	b, err := board.Lookup("qemu-x86-64")
	if err != nil {
		t.Fatal(err)
	}
	tiny := *b
	tiny.Modules = []string{"virtio-net"}
	cache := t.TempDir()
	kernel := "packages/amd64/linux-image-6.1.0-1-amd64_6.1.9-1/"
	stub := "packages/amd64/systemd-boot-efi_252-1/"
	grub := "packages/amd64/grub-pc-bin_2.06-1/usr/lib/grub/i386-pc/"
	tools := "packages/" + hostArch + "/grub-common_2.06-1/usr/bin/"
	for name, data := range map[string][]byte{
		grub + "boot.img":                                      noise(sector),
		tools + "grub-mkimage":                                 []byte(fakeMkimage),
		kernel + "boot/vmlinuz-6.1.0-1-amd64":                  noise(5000),
		kernel + "boot/vmlinux-6.1.0-1-amd64":                  noise(9000),
		kernel + "lib/modules/6.1.0-1-amd64/net/virtio-net.ko": testModule(t, "depends=\x00"),
		stub + "usr/lib/systemd/boot/efi/linuxx64.efi.stub":    testStub(t, 1024),
	} {
		path := filepath.Join(cache, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{
		"amd64/linux-image-amd64": filepath.Base(kernel), "amd64/systemd-boot-efi": filepath.Base(stub),
		"amd64/grub-pc-bin": "grub-pc-bin_2.06-1", hostArch + "/grub-common": "grub-common_2.06-1",
	} {
		if err := os.Symlink(to, filepath.Join(cache, "packages", link)); err != nil {
			t.Fatal(err)
		}
	}
	return Options{Board: &tiny, Release: "1.2.3", Cache: &Cache{Dir: cache}, Out: filepath.Join(t.TempDir(), "image")}
}

// testBase writes a base image with a made-up init, and returns options that use it.
func testBase(t *testing.T) Options {
	t.Helper()
	o := testOptions(t)
	k, err := o.kernel(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	info := &debug.BuildInfo{GoVersion: "go1.26.0", Deps: []*debug.Module{{Path: "example.org/module", Version: "v1.2.3"}}}
	img, err := o.pack(t.Context(), k, program{[]byte("the init program"), info})
	if err != nil {
		t.Fatal(err)
	}
	if err := o.finish(img); err != nil {
		t.Fatal(err)
	}
	o.Base = filepath.Join(t.TempDir(), "base")
	if err := img.writeTo(o.Base); err != nil {
		t.Fatal(err)
	}
	o.Site = &testSite
	return o
}

func readDir(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func TestBuildPutsSiteInEveryFile(t *testing.T) {
	o := testBase(t)
	m, err := Build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if m.Site != "lab" || m.Kernel != "6.1.0-1-amd64" || m.KernelDeb != "6.1.9-1" || m.Release != "1.2.3" {
		t.Errorf("got manifest %+v", m)
	}
	region, err := testSite.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	base, files := readDir(t, o.Base), readDir(t, o.Out)
	for name, want := range map[string]int{FileKernel: 0, FileVmlinux: 0, FileInitramfs: 1, FileUKI: 1, FileDisk: 2, FileISO: 1} {
		if got := bytes.Count(files[name], region); got != want {
			t.Errorf("%s holds the site %d times, want %d", name, got, want)
		}
		if name == FileISO {
			continue // has the disk's hash too
		}
		without := bytes.ReplaceAll(files[name], region, bytes.Repeat([]byte("\n"), site.Capacity))
		if !bytes.Equal(without, base[name]) {
			t.Errorf("%s differs from the base in more than the site", name)
		}
	}
	// Another site takes the place of the first.
	other := testSite
	other.Name = "rack"
	o.Base, o.Site = o.Out, &other
	if m, err = Build(t.Context(), o); err != nil || m.Site != "rack" {
		t.Errorf("second site: got %q, %v", m.Site, err)
	}
	if bytes.Contains(readDir(t, o.Out)[FileDisk], region) {
		t.Error("the disk still holds the first site")
	}
}

func TestPackIsReproducible(t *testing.T) {
	a, b := readDir(t, testBase(t).Base), readDir(t, testBase(t).Base)
	for name := range a {
		if !bytes.Equal(a[name], b[name]) {
			t.Errorf("%s: two builds differ", name)
		}
	}
}

func TestInitramfsContents(t *testing.T) {
	data := readDir(t, testBase(t).Base)[FileInitramfs]
	front := data[:len(data)-len(bytes.TrimLeft(data[siteEnd(t, data):], "\x00"))]
	names := func(archive []byte) (names []string) {
		err := cpio.ForEachRecord(cpio.Newc.Reader(bytes.NewReader(archive)), func(r cpio.Record) error {
			names = append(names, r.Name)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return names
	}
	if got := names(front); !slices.Equal(got, []string{"site.json"}) {
		t.Errorf("the first archive holds %q", got)
	}
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	main, err := dec.DecodeAll(data[len(front):], nil)
	if err != nil {
		t.Fatal(err)
	}
	end := bytes.Index(main, []byte(cpio.Trailer))
	rest := main[end:][bytes.Index(main[end:], []byte("070701")):]
	for _, tt := range []struct {
		archive []byte
		want    []string
	}{
		{main, []string{"dev", "modules", "proc", "run", "sys", "init", "image.json"}},
		{rest, []string{"modules/00-virtio_net.ko"}},
	} {
		if got := names(tt.archive); !slices.Equal(got, tt.want) {
			t.Errorf("an archive holds %q, want %q", got, tt.want)
		}
		if out := run(t, "sh", "-c", "cpio -t --quiet <"+writeTemp(t, tt.archive)); !strings.Contains(out, tt.want[0]) {
			t.Errorf("cpio lists\n%s", out)
		}
	}
}

// siteEnd returns where the site's archive ends, its padding aside.
func siteEnd(t *testing.T, data []byte) int {
	t.Helper()
	i := bytes.Index(data, []byte(cpio.Trailer))
	if i < 0 {
		t.Fatal("the site's archive has no end")
	}
	return i + len(cpio.Trailer)
}

func TestBuildRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(o *Options)
		want   string
	}{
		{"base of another board", func(o *Options) {
			b := *o.Board
			b.Name = "rpi5"
			o.Board = &b
		}, `board "rpi5": base image`},
		{"base that is none", func(o *Options) { o.Base = t.TempDir() }, "manifest.json"},
		{"output that is something else", func(o *Options) {
			o.Out = t.TempDir()
			os.WriteFile(filepath.Join(o.Out, "thesis.tex"), nil, 0o644)
		}, "is not empty and is not an image"},
		{"output below a file", func(o *Options) {
			file := filepath.Join(t.TempDir(), "file")
			os.WriteFile(file, nil, 0o644)
			o.Out = filepath.Join(file, "image")
		}, "not a directory"},
		{"damaged base", func(o *Options) {
			path := filepath.Join(o.Base, FileKernel)
			data, _ := os.ReadFile(path)
			data[17]++
			os.WriteFile(path, data, 0o644)
		}, "vmlinuz has 5000 bytes, SHA-256"},
		{"site without a key", func(o *Options) { o.Site = &site.Site{Name: "lab", Collectors: []string{"a:1"}} }, "box: missing"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := testBase(t)
			tt.change(&o)
			_, err := Build(t.Context(), o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			left, _ := filepath.Glob(filepath.Join(filepath.Dir(o.Out), ".taproot-image-*"))
			if m, err := os.Stat(filepath.Join(o.Out, FileManifest)); err == nil || len(left) > 0 {
				t.Errorf("something was written: %v %q", m, left)
			}
		})
	}
}

func TestPutSiteWantsItsPlaces(t *testing.T) {
	region, err := testSite.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	place, err := siteArchive()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		data []byte
		want string
	}{
		{"none", noise(10_000), "found 0 places"},
		{"two", append(bytes.Clone(place), place...), "found 2 places"},
		{"cut", place[:200], "cut short"},
	} {
		if err := putSite(tt.data, region); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestBuildFromSource builds the image that we ship, twice. With
// TAPROOT_HWTEST, as "make test" sets it, the kernel is fetched if need be.
func TestBuildFromSource(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles cmd/init")
	}
	dir, err := DefaultCacheDir()
	if err != nil {
		t.Skip(err)
	}
	for _, b := range board.All() {
		t.Run(b.Name, func(t *testing.T) {
			if _, err := os.Stat(filepath.Join(dir, "packages", b.Debian, b.Kernel)); err != nil && os.Getenv("TAPROOT_HWTEST") == "" {
				t.Skipf("no kernel in the cache: %v; \"taproot image build --board %s -o DIR\" fetches it", err, b.Name)
			}
			firmware := t.TempDir()
			for _, name := range b.PiFirmware.Files() {
				writeFile(t, filepath.Join(firmware, name), noise(100_000))
			}
			var images [2][]byte
			for i := range images {
				o := Options{PiFirmware: firmware, Board: b, Out: filepath.Join(t.TempDir(), "image"), Release: "test", Cache: &Cache{Dir: dir}}
				m, err := Build(t.Context(), o)
				if b.Name == "rpi5" {
					// Not before there is a kernel for it in Debian's main.
					if err == nil || !strings.Contains(err.Error(), "--kernel") {
						t.Fatalf("got %v, want to be asked for a kernel", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				uki := int64(19_000_000)
				if b.Arch == "arm64" {
					uki = 40_000_000 // Debian does not compress this kernel
				}
				for name, most := range map[string]int64{FileUKI: uki, FileISO: 40_000_000} {
					if d := m.Files[name]; d.Size > most {
						t.Errorf("%s has %d bytes, want at most %d", name, d.Size, most)
					}
				}
				if images[i], err = json.Marshal(m); err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(images[0], images[1]) {
				t.Errorf("two builds differ:\n%s\n%s", images[0], images[1])
			}
		})
	}
}
