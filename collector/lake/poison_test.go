package lake_test

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/taproot-sensor/taproot/collector/lake"
	"github.com/taproot-sensor/taproot/wire/record"
)

// maxPoison is what one batch may make the lake take, in bytes, garbage included. The journal has
// it until the lake has read it: a batch that is more than the machine has would
// kill every collector that is started.
const maxPoison = 600 << 20

// A sensor that brings a column more with each row has the lake begin a file for
// each, but not keep them all open.
func TestColumnAfterColumn(t *testing.T) {
	r := start(t, t.TempDir(), lake.Options{})
	var blocks [][]byte
	for n := range 200 {
		blocks = append(blocks, block("made_up", fmt.Sprintf("c%d", n), "\x02", "\x07"))
		blocks = append(blocks, block(record.FlowDef.Kind, fmt.Sprintf("c%d", n), "\x02", "\x07"))
	}
	before := heap()
	r.send(t, blocks...)
	flushed := make(chan struct{})
	go func() {
		defer close(flushed)
		r.flush(t)
	}()
	var most uint64
	files := 0
	for tick := time.NewTicker(5 * time.Millisecond); ; <-tick.C {
		most = max(most, heap())
		if list, err := os.ReadDir("/proc/self/fd"); err == nil {
			files = max(files, len(list))
		}
		select {
		case <-flushed:
		default:
			continue
		}
		break
	}
	t.Logf("%d MB, %d descriptors", (most-before)>>20, files)
	if most > before+maxPoison || files > 100 {
		t.Errorf("one batch takes %d MB and %d descriptors", (most-before)>>20, files)
	}
	rows := 0
	for _, f := range r.Manifest().Files {
		rows += int(f.Rows)
	}
	if rows != len(blocks) {
		t.Errorf("%d rows, want %d", rows, len(blocks))
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
