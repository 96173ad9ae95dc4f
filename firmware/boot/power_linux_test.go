package boot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"golang.org/x/sys/unix"
)

func TestWaitPowerKey(t *testing.T) {
	event := func(typ, code uint16, value uint32) []byte {
		var b bytes.Buffer
		for _, v := range []any{make([]byte, binary.Size(unix.Timeval{})), typ, code, value} {
			if err := binary.Write(&b, binary.NativeEndian, v); err != nil {
				t.Fatal(err)
			}
		}
		return b.Bytes()
	}
	others := append(event(0, 0, 0), append(event(1, 30, 1), event(1, 116, 0)...)...) // sync, another key, a release
	if err := waitPowerKey(bytes.NewReader(append(others, event(1, 116, 1)...))); err != nil {
		t.Errorf("power key: got %v", err)
	}
	if err := waitPowerKey(bytes.NewReader(others)); err != io.EOF {
		t.Errorf("other keys: got %v, want EOF", err)
	}
	if err := waitPowerKey(bytes.NewReader(others[:10])); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half an event: got %v", err)
	}
}
