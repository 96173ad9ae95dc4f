package capture

import (
	"fmt"
	"os"
	"time"
)

const (
	// sharedRetire is RingOptions.Retire where several ports are merged: a
	// frame waits for the other ports' blocks, and the ring must hold what
	// comes meanwhile.
	sharedRetire = 20 * time.Millisecond

	// mergeHold is how long a frame waits for older ones of another port: until
	// the kernel has handed over a block that is not full, at its clock's 4 ms.
	mergeHold = sharedRetire + 10*time.Millisecond

	// minBlocks is the least of a ring: with fewer, one block at the reader
	// and one that fills are too much of it.
	minBlocks = 8
)

// Share returns the options of each of the rings of some ports, of which each
// shard has one per port. Together they take the memory of one ring of o.
func (o RingOptions) Share(ports, shards int) RingOptions {
	o = o.withDefaults()
	o.Blocks = max(o.Blocks/(ports*shards), minBlocks)
	if ports > 1 {
		o.Retire = min(o.Retire, sharedRetire)
	}
	return o
}

// OpenPorts opens ports and returns a source for each of a number of shards.
// All packets between two addresses come from the same source, in the order of
// their times, from whichever port.
func OpenPorts(ports []string, shards int, opts RingOptions) ([]Source, error) {
	var files [][]*os.File
	for _, port := range ports {
		sockets, err := OpenSockets(port, shards, opts.Share(len(ports), shards))
		if err != nil {
			closeAll(files)
			return nil, err
		}
		files = append(files, sockets)
	}
	return SourcesFrom(files, opts)
}

// SourcesFrom maps the rings of sockets, by port and shard, that OpenSockets
// made with the options that opts.Share returns, and returns a source for each
// shard. It owns the files from then on.
func SourcesFrom(files [][]*os.File, opts RingOptions) ([]Source, error) {
	shards := len(files[0])
	shared := opts.Share(len(files), shards)
	wait := shared.Wait
	if len(files) > 1 {
		shared.Wait = -1
	}
	var sources []Source
	for shard := range shards {
		var rings []Source
		for _, sockets := range files {
			r, err := RingFrom(sockets[shard], shared)
			if err != nil {
				closeAll(files)
				return nil, fmt.Errorf("shard %d: %w", shard, err)
			}
			rings = append(rings, r)
		}
		if len(rings) == 1 {
			sources = append(sources, rings[0])
		} else {
			sources = append(sources, Merge(mergeHold, wait, rings...))
		}
	}
	return sources, nil
}

func closeAll(files [][]*os.File) {
	for _, sockets := range files {
		for _, f := range sockets {
			f.Close()
		}
	}
}
