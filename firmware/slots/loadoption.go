package slots

import (
	"encoding/binary"
	"errors"
	"unicode/utf16"
)

// A LoadOption is a variable Boot#### of UEFI (UEFI 2.10, section 3.1.3), as far
// as it says which file of which partition is started.
type LoadOption struct {
	Description string
	Device      string // the nodes of its path that lead to a disk, as they are
	Partition   Region // of the first hard drive node of its path; zero without one
	Path        string // of the first file node, with backslashes
}

// Device path nodes (UEFI 2.10, sections 10.3.5 and 10.3.1).
const (
	loadOptionActive = 1
	mediaNode        = 4
	mediaHardDrive   = 1
	mediaFile        = 4
	endNode          = 0x7f
	endWhole         = 0xff
	hardDriveSize    = 42
)

// Append appends the variable's value, active. Without a Device the path begins
// at the partition, which the firmware finds by its GUID on whatever disk it is.
// To do so it connects all that the machine has, its network ports too, which
// then speak (edk2's BmExpandPartitionDevicePath).
func (o LoadOption) Append(dst []byte) ([]byte, error) {
	le := binary.LittleEndian
	path := append([]byte(o.Device), mediaNode, mediaHardDrive, hardDriveSize, 0)
	path = le.AppendUint32(path, uint32(o.Partition.Number))
	path = le.AppendUint64(path, uint64(o.Partition.Start/sector))
	path = le.AppendUint64(path, uint64(o.Partition.Size/sector))
	path, err := appendGUID(path, o.Partition.GUID)
	if err != nil {
		return nil, err
	}
	path = append(path, 2, 2) // a GPT, and a GUID
	name := appendUTF16(nil, o.Path)
	path = le.AppendUint16(append(path, mediaNode, mediaFile), uint16(4+len(name)))
	path = append(path, name...)
	path = append(path, endNode, endWhole, 4, 0)
	dst = le.AppendUint32(dst, loadOptionActive)
	dst = le.AppendUint16(dst, uint16(len(path)))
	return append(appendUTF16(dst, o.Description), path...), nil
}

func appendUTF16(dst []byte, s string) []byte {
	for _, c := range utf16.Encode([]rune(s + "\x00")) {
		dst = binary.LittleEndian.AppendUint16(dst, c)
	}
	return dst
}

var errLoadOption = errors.New("load option is cut short")

// ParseLoadOption reads a variable's value. Nodes that are of other kinds are
// skipped.
func ParseLoadOption(b []byte) (o LoadOption, active bool, err error) {
	le := binary.LittleEndian
	if len(b) < 6 {
		return o, false, errLoadOption
	}
	active = le.Uint32(b)&loadOptionActive != 0
	size := int(le.Uint16(b[4:]))
	o.Description = gptName(b[6:])
	rest := b[6:]
	if skip := 2 * (len(utf16.Encode([]rune(o.Description))) + 1); skip+size > len(rest) {
		return o, false, errLoadOption
	} else {
		rest = rest[skip:][:size]
	}
	for len(rest) >= 4 {
		n := int(le.Uint16(rest[2:]))
		if n < 4 || n > len(rest) {
			return o, false, errLoadOption
		}
		node := rest[:n]
		rest = rest[n:]
		switch {
		case node[0] == endNode:
			return o, active, nil
		case node[0] != mediaNode && o.Partition.GUID == "":
			o.Device += string(node)
		case node[0] != mediaNode:
		case node[1] == mediaHardDrive && n == hardDriveSize && o.Partition.GUID == "":
			o.Partition = Region{Number: int(le.Uint32(node[4:])), GUID: guidString(node[24:40]),
				Start: int64(le.Uint64(node[8:]) * sector), Size: int64(le.Uint64(node[16:]) * sector)}
		case node[1] == mediaFile && o.Path == "":
			o.Path = gptName(node[4:])
		}
	}
	return o, active, nil
}
