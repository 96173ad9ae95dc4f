package bootscript

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// What Debian's builds of U-Boot have in their default environment, and what
// ours have instead: nobody is at a sensor's console to press a key, and a line
// that hangs in the air must not press one for long. It is as many bytes, so
// that nothing behind it moves.
const (
	ubootWaits = "\x00bootdelay=2\x00"
	ubootGoes  = "\x00bootdelay=0\x00"
)

// UBootGoes takes U-Boot's wait for a key out of one of its files, which may have
// no such thing, and mends the checksums of the legacy image that it is in, if it
// is in one.
func UBootGoes(file []byte) error {
	at := bytes.Index(file, []byte(ubootWaits))
	if at < 0 {
		return nil
	}
	if bytes.Count(file, []byte(ubootWaits)) > 1 {
		return errors.New("U-Boot has more than one default environment")
	}
	copy(file[at:], ubootGoes)
	be := binary.BigEndian
	for start := at / sector * sector; start >= 0; start -= sector { // an image begins with a sector
		image := file[start:]
		if len(image) < legacyHead || be.Uint32(image) != legacyMagic {
			continue
		}
		head, data := image[:legacyHead], image[legacyHead:]
		size := int64(be.Uint32(head[legacySize:]))
		if size > int64(len(data)) || int64(start)+legacyHead+size <= int64(at) {
			continue
		}
		be.PutUint32(head[legacyDataSum:], crc32.ChecksumIEEE(data[:size]))
		clear(head[legacyHeadSum:][:4])
		be.PutUint32(head[legacyHeadSum:], crc32.ChecksumIEEE(head))
		return nil
	}
	return nil
}
