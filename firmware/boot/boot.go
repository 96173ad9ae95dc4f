// Package boot turns a freshly started kernel into a sensor's machine: mounts,
// modules, ports, uplink address, watchdog and power.
//
// What is to be there is said in tables, here and in package board, and made in
// one loop each. Nothing here looks at traffic. All of it is for cmd/init, the
// machine's process 1, and for nobody else: it changes the machine it runs on.
package boot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/taproot-sensor/taproot/board"
	"github.com/taproot-sensor/taproot/wire/site"
)

// Paths inside an image; docs/format/image.md lists them.
const (
	imageFile  = "image.json"
	siteFile   = "site.json"
	modulesDir = "modules"
	driversDir = "drivers"
)

// An Image is what a sensor knows of the image it was started from.
type Image struct {
	Board   string `json:"board"`
	Kernel  string `json:"kernel"`
	Release string `json:"release"`
}

// ReadImage reads the image's own description and finds its board.
func ReadImage(root fs.FS) (Image, *board.Board, error) {
	var img Image
	text, err := fs.ReadFile(root, imageFile)
	if err != nil {
		return img, nil, fmt.Errorf("reading image: %w", err)
	}
	if err := json.Unmarshal(text, &img); err != nil {
		return img, nil, fmt.Errorf("reading image: %s: %w", imageFile, err)
	}
	b, err := board.Lookup(img.Board)
	if err != nil {
		return img, nil, fmt.Errorf("reading image: %w", err)
	}
	return img, b, nil
}

// ReadSite reads who the sensor belongs to. A base image belongs to nobody.
func ReadSite(root fs.FS) (site.Site, error) {
	text, err := fs.ReadFile(root, siteFile)
	if err != nil {
		return site.Site{}, fmt.Errorf("reading site: %w", err)
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return site.Site{}, errors.New("reading site: this is a base image, in which no site was put")
	}
	return site.Parse(text)
}
