package meter_test

import (
	"io"

	"github.com/taproot-sensor/taproot/firmware/capture"
)

// A listed source gives frames that are in memory.
type listed []capture.Frame

func (l *listed) NextBatch(frames []capture.Frame) (int, error) {
	n := copy(frames, *l)
	if n == 0 {
		return 0, io.EOF
	}
	*l = (*l)[n:]
	return n, nil
}

func (l *listed) Stats() capture.Stats { return capture.Stats{Frames: 1} }
func (l *listed) Name() string         { return "list" }
func (l *listed) Close() error         { return nil }
