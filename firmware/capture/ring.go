package capture

import (
	"time"

	"github.com/taproot-sensor/taproot/internal/bpf"
)

// BlockSize is the size in bytes of a ring's blocks unless told otherwise: room
// for the largest frame that the kernel can hand over, 64 KiB, and a header.
const BlockSize = 128 << 10

// RingOptions shape the ring of a live source. OpenSocket and RingFrom must be
// given the same.
type RingOptions struct {
	// Blocks is how many blocks of BlockSize bytes the ring has. Zero is 128,
	// 16 MiB: where a host was busy, 8 MiB lost some of 0.7 million frames of
	// 1155 B a second in every other run, and 16 MiB none. On a quiet port each
	// block is handed over almost empty, so blocks times Retire is how long the
	// reader may be kept from the CPU: four of 1 MiB lost frames at 200 a second.
	Blocks int

	// BlockSize is a power of two and a multiple of the page size. Zero is
	// BlockSize.
	BlockSize int

	// Retire is how long the kernel waits for a block to fill before it
	// hands it over as it is. Zero is 40 ms.
	Retire time.Duration

	// Wait is how long NextBatch waits for a frame. Zero is 250 ms, a
	// negative one does not wait.
	Wait time.Duration

	// Outgoing lets the frames in that this machine sends itself. A tap
	// port sends none; on an ordinary host they are half of the traffic.
	Outgoing bool

	// Filter is for Ethernet frames. A frame that it refuses is not counted
	// anywhere.
	Filter bpf.Program

	// LockFilter forbids the holder of the descriptor to change the
	// socket's filter.
	LockFilter bool
}

func (o RingOptions) withDefaults() RingOptions {
	if o.Blocks == 0 {
		o.Blocks = 128
	}
	if o.BlockSize == 0 {
		o.BlockSize = BlockSize
	}
	if o.Retire == 0 {
		o.Retire = 40 * time.Millisecond
	}
	if o.Wait == 0 {
		o.Wait = 250 * time.Millisecond
	}
	return o
}
