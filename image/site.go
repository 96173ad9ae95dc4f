package image

import (
	"bytes"
	"fmt"

	"github.com/taproot-sensor/taproot/wire/site"
)

// siteRegions returns where in data the site's region lies: once in an
// initramfs or a unified kernel image.
func siteRegions(data []byte) ([]int, error) {
	empty, err := siteArchive()
	if err != nil {
		return nil, err
	}
	// The archive up to the file's contents: a header that occurs nowhere else.
	marker := empty[:bytes.IndexByte(empty, '\n')]
	var found []int
	for from := 0; ; {
		i := bytes.Index(data[from:], marker)
		if i < 0 {
			return found, nil
		}
		from += i + len(marker)
		if from+site.Capacity > len(data) {
			return nil, fmt.Errorf("site region at byte %d is cut short", from)
		}
		found = append(found, from)
	}
}

// putSite writes region over the one place that data keeps for it.
func putSite(data, region []byte) error {
	if len(region) != site.Capacity {
		return fmt.Errorf("site of %d bytes, want %d", len(region), site.Capacity)
	}
	found, err := siteRegions(data)
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("found %d places for a site, want 1", len(found))
	}
	copy(data[found[0]:], region)
	return nil
}
