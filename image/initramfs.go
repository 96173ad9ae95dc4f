package image

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/klauspost/compress/zstd"
	"github.com/u-root/u-root/pkg/cpio"

	"github.com/taproot-sensor/taproot/wire/site"
)

// identity is the file /image.json: what init knows of the image it is in.
type identity struct {
	Board   string `json:"board"`
	Kernel  string `json:"kernel"`
	Release string `json:"release"`
}

// Kernels refuse a window of more than 8 MiB, and half of that costs under one
// percent in size and leaves 4 MiB more to a machine that has 128.
const zstdWindow = 4 << 20

// initramfs returns the site's archive, empty and uncompressed, and behind it
// the compressed one with everything else. The kernel unpacks one after the
// other (Documentation/driver-api/early-userspace/buffer-format.rst).
func initramfs(init []byte, mods, drivers []module, index []byte, id identity) ([]byte, error) {
	about, err := json.Marshal(id)
	if err != nil {
		return nil, err
	}
	var records []cpio.Record
	for _, dir := range []string{"dev", "modules", "proc", "run", "sys"} {
		records = append(records, cpio.Directory(dir, 0o755))
	}
	records = append(records, cpio.StaticRecord(init, cpio.Info{Name: "init", Mode: cpio.S_IFREG | 0o755}),
		cpio.StaticFile("image.json", string(about)+"\n", 0o444))
	for i, m := range mods {
		// Numbered, so that the order of names is the order of loading.
		name := fmt.Sprintf("modules/%02d-%s.ko", i, m.name)
		records = append(records, cpio.StaticRecord(m.data, cpio.Info{Name: name, Mode: cpio.S_IFREG | 0o444}))
	}
	if len(index) > 0 {
		records = append(records, cpio.Directory("drivers", 0o755), cpio.StaticFile("drivers/index", string(index), 0o444))
	}
	for _, m := range drivers {
		records = append(records, cpio.StaticRecord(m.data, cpio.Info{Name: "drivers/" + m.name + ".ko", Mode: cpio.S_IFREG | 0o444}))
	}
	main, err := archive(records)
	if err != nil {
		return nil, err
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression),
		zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(zstdWindow))
	if err != nil {
		return nil, err
	}
	defer enc.Close()
	front, err := siteArchive()
	if err != nil {
		return nil, err
	}
	return enc.EncodeAll(main, front), nil
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
