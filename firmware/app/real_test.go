package app_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/decode"
	"github.com/taproot-sensor/taproot/wire/record"
)

// A frame is one of a real capture, decoded.
type frame struct {
	data []byte
	decode.Meta
}

func (f *frame) payload() []byte { return f.data[f.Payload:f.PayloadEnd] }

func (f *frame) either(port uint16) bool { return f.SrcPort == port || f.DstPort == port }

// realFrames returns the frames of a real capture that keep picks. Without the
// captures it skips the test.
func realFrames(t testing.TB, name string, keep func(*frame) bool) []frame {
	t.Helper()
	src, err := capture.OpenFile(filepath.Join(pcaps(), name))
	if err != nil {
		t.Skipf("no real captures: set TAPROOT_PCAPS to a directory of them (%v)", err)
	}
	defer src.Close()
	var out []frame
	for {
		var frames [64]capture.Frame
		n, err := src.NextBatch(frames[:])
		for _, f := range frames[:n] {
			one := frame{data: append([]byte(nil), f.Data...)}
			if decode.Decode(f.LinkType, one.data, int(f.WireLen), &one.Meta) == decode.OK && keep(&one) {
				out = append(out, one)
			}
		}
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Logf("%v", err)
			return out
		}
	}
}

// udp picks the datagrams from or to a port.
func udp(port uint16) func(*frame) bool {
	return func(f *frame) bool { return f.Proto == 17 && f.either(port) && f.Payload < f.PayloadEnd }
}

// tcp picks the segments with payload from or to a port.
func tcp(port uint16) func(*frame) bool {
	return func(f *frame) bool { return f.Proto == 6 && f.either(port) && f.Payload < f.PayloadEnd }
}

// brief writes the columns of a record that have a value.
func brief(rec any) string {
	var s []string
	v := reflect.ValueOf(rec).Elem()
	for i := range v.NumField() {
		if v.Field(i).IsZero() {
			continue
		}
		value := fmt.Sprint(v.Field(i).Interface())
		if mac, ok := v.Field(i).Interface().(record.HardwareAddr); ok {
			value = fmt.Sprintf("%x", mac[:])
		}
		s = append(s, v.Type().Field(i).Tag.Get("col")+"="+value)
	}
	return strings.Join(s, " ")
}

// A want is the records that parse makes of the frames of a real capture, the
// first ones.
type want struct {
	name  string
	keep  func(*frame) bool
	parse func(*frame) (any, error)
	lines []string
}

func (w *want) test(t *testing.T) {
	t.Run(filepath.Base(w.name), func(t *testing.T) {
		frames := realFrames(t, w.name, w.keep)
		for i, line := range w.lines {
			if i >= len(frames) {
				t.Fatalf("%d frames, want %d", len(frames), len(w.lines))
			}
			rec, err := w.parse(&frames[i])
			got := brief(rec)
			if err != nil {
				got += " error=" + err.Error()
			}
			if got != line {
				t.Errorf("frame %d\n got %s\nwant %s", i, got, line)
			}
		}
	})
}

// fuzzReal adds payloads of real captures to the seeds of a fuzz target, if
// there are any.
func fuzzReal(f *testing.F, keep func(*frame) bool, names ...string) {
	dir := pcaps()
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			continue
		}
		for i, one := range realFrames(f, name, keep) {
			if i == 20 {
				break
			}
			f.Add(one.payload())
		}
	}
}

func pcaps() string {
	if dir := os.Getenv("TAPROOT_PCAPS"); dir != "" {
		return dir
	}
	return "../../../shared/pcaps"
}
