package image

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/taproot-sensor/taproot/wire/delta"
	"github.com/taproot-sensor/taproot/wire/site"
)

// identity is the file /image.json: what init knows of the image it is in.
type identity struct {
	Board   string `json:"board"`
	Kernel  string `json:"kernel"`
	Release string `json:"release"`
}

// initramfs returns the site's archive, empty and uncompressed, and behind it two
// that are compressed: init with what is said of the image, and the modules. The
// kernel unpacks one after the other
// (Documentation/driver-api/early-userspace/buffer-format.rst). What changes
// with each release is apart from what comes with the kernel, so that a patch
// need not look into the latter.
func initramfs(init []byte, mods, drivers []module, index []byte, id identity, root []byte) ([]byte, error) {
	about, err := json.Marshal(id)
	if err != nil {
		return nil, err
	}
	var main, rest []cpio.Record
	for _, dir := range []string{"dev", "modules", "proc", "run", "sys"} {
		main = append(main, cpio.Directory(dir, 0o755))
	}
	main = append(main, cpio.StaticRecord(init, cpio.Info{Name: "init", Mode: cpio.S_IFREG | 0o755}),
		cpio.StaticFile("image.json", string(about)+"\n", 0o444))
	if root != nil {
		main = append(main, cpio.StaticFile("root.json", string(root), 0o444))
	}
	for i, m := range mods {
		// Numbered, so that the order of names is the order of loading.
		name := fmt.Sprintf("modules/%02d-%s.ko", i, m.name)
		rest = append(rest, cpio.StaticRecord(m.data, cpio.Info{Name: name, Mode: cpio.S_IFREG | 0o444}))
	}
	if len(index) > 0 {
		rest = append(rest, cpio.Directory("drivers", 0o755), cpio.StaticFile("drivers/index", string(index), 0o444))
	}
	for _, m := range drivers {
		rest = append(rest, cpio.StaticRecord(m.data, cpio.Info{Name: "drivers/" + m.name + ".ko", Mode: cpio.S_IFREG | 0o444}))
	}
	out, err := siteArchive()
	if err != nil {
		return nil, err
	}
	for _, records := range [][]cpio.Record{main, rest} {
		a, err := archive(records)
		if err != nil {
			return nil, err
		}
		out = delta.Compress(out, a)
	}
	return out, nil
}

// siteArchive returns an archive of one file: /site.json, as yet without a site.
func siteArchive() ([]byte, error) {
	empty := bytes.Repeat([]byte("\n"), site.Capacity)
	return archive([]cpio.Record{cpio.StaticRecord(empty, cpio.Info{Name: "site.json", Mode: cpio.S_IFREG | 0o444})})
}

// archive returns records as a cpio archive that depends on nothing else: no
// times, owners or inode numbers but their order.
func archive(records []cpio.Record) ([]byte, error) {
	var buf bytes.Buffer
	w := cpio.Newc.Writer(&buf)
	for i, r := range records {
		r.Ino = uint64(i + 1)
		if err := w.WriteRecord(cpio.MakeReproducible(r)); err != nil {
			return nil, err
		}
	}
	if err := cpio.WriteTrailer(w); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}
