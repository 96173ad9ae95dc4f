package powercut

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf16"
)

// A variable store of edk2 is one firmware volume in flash: a header, the
// header of the store, and variables one after the other, each with a state of
// which bits are cleared as it grows old (edk2's
// MdeModulePkg/Include/Guid/VariableFormat.h). What is behind the store, a spare
// area for rewriting it, is left alone.
const (
	volumeHead     = 0x48 // bytes, in each of OVMF's and AAVMF's
	storeHead      = 28
	variableHead   = 60
	variableStart  = 0x55aa
	variableAdded  = 0x3f
	variableErased = 0xff
)

// authenticatedStore is gEfiAuthenticatedVariableGuid, as it lies in memory.
var authenticatedStore = []byte("\x78\x2c\xf3\xaa\x7b\x94\x9a\x43\xa1\x80\x2e\x14\x4e\xc3\x77\x92")

// store returns where the variables of a flash image begin and end.
func store(flash []byte) (begin, end int, err error) {
	if len(flash) < volumeHead+storeHead || !bytes.Equal(flash[volumeHead:][:16], authenticatedStore) {
		return 0, 0, errors.New("no variable store of edk2")
	}
	size := int(binary.LittleEndian.Uint32(flash[volumeHead+16:]))
	if size < storeHead || volumeHead+size > len(flash) {
		return 0, 0, fmt.Errorf("variable store of %d bytes", size)
	}
	return volumeHead + storeHead, volumeHead + size, nil
}

// ReadVars returns the variables of a flash image that outlive a power cut.
func ReadVars(flash []byte) (map[string][]byte, error) {
	at, end, err := store(flash)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	vars := map[string][]byte{}
	for at+variableHead <= end && le.Uint16(flash[at:]) == variableStart {
		h := flash[at:]
		nameSize, dataSize := int(le.Uint32(h[36:])), int(le.Uint32(h[40:]))
		if nameSize < 2 || dataSize < 0 || at+variableHead+nameSize+dataSize > end {
			return nil, fmt.Errorf("variable at %d is cut short", at)
		}
		if h[2] == variableAdded {
			var name []uint16
			for i := range nameSize/2 - 1 {
				name = append(name, le.Uint16(h[variableHead+2*i:]))
			}
			g := h[44:60]
			id := fmt.Sprintf("%s-%08x-%04x-%04x-%x-%x", string(utf16.Decode(name)), le.Uint32(g), le.Uint16(g[4:]), le.Uint16(g[6:]), g[8:10], g[10:16])
			vars[id] = bytes.Clone(h[variableHead+nameSize:][:dataSize])
		}
		at = (at + variableHead + nameSize + dataSize + 3) &^ 3
	}
	return vars, nil
}

var variableName = regexp.MustCompile(`^(.+)-([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$`)

// bootVariable are the variables of a boot manager.
var bootVariable = regexp.MustCompile(`^(Boot[0-9A-F]{4}|BootOrder|BootNext)-`)

// WriteVars returns the flash image empty with the variables of a boot manager
// in it, all others being the firmware's to make anew.
func WriteVars(empty []byte, vars map[string][]byte) ([]byte, error) {
	flash := bytes.Clone(empty)
	at, end, err := store(flash)
	if err != nil {
		return nil, err
	}
	if flash[at] != variableErased {
		return nil, errors.New("the variable store is not empty")
	}
	le := binary.LittleEndian
	for id, data := range vars {
		m := variableName.FindStringSubmatch(id)
		if m == nil || !bootVariable.MatchString(id) {
			continue
		}
		name := utf16.Encode([]rune(m[1] + "\x00"))
		size := variableHead + 2*len(name) + len(data)
		if at+size > end {
			return nil, errors.New("the variable store is full")
		}
		h := flash[at:]
		clear(h[:variableHead])
		le.PutUint16(h, variableStart)
		h[2] = variableAdded
		h[4] = 1 | 2 | 4 // kept, for boot and run time
		le.PutUint32(h[36:], uint32(2*len(name)))
		le.PutUint32(h[40:], uint32(len(data)))
		copy(h[44:], guid(strings.Join(m[2:], "")))
		for i, c := range name {
			le.PutUint16(h[variableHead+2*i:], c)
		}
		copy(h[variableHead+2*len(name):], data)
		at = (at + size + 3) &^ 3
	}
	return flash, nil
}

// guid returns 32 hexadecimal digits as a GUID lies in memory.
func guid(digits string) []byte {
	b := make([]byte, 16)
	if _, err := fmt.Sscanf(digits, "%32x", &b); err != nil {
		return make([]byte, 16)
	}
	for _, field := range [][]byte{b[:4], b[4:6], b[6:8]} {
		for i, j := 0, len(field)-1; i < j; i, j = i+1, j-1 {
			field[i], field[j] = field[j], field[i]
		}
	}
	return b
}
