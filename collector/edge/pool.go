package edge

import (
	"sync"

	"github.com/taproot-sensor/taproot/wire/batch"
)

// bufferStep is what the sizes of pooled buffers are multiples of, and
// leastBuffer the least of them: below it, to allocate is as fast.
const (
	bufferStep  = 4 << 10
	leastBuffer = 2 * bufferStep
)

// buffers has the memory of batches that were stored, by size, for the next.
// It is warm in the cache and need not be cleared: of an incomplete batch
// nothing is ever read.
var buffers [batch.MaxSize/bufferStep + 1]sync.Pool

// bufferSize returns the size of the buffer that a batch of n bytes gets.
func bufferSize(n int) int {
	if n < leastBuffer {
		return n
	}
	return (n + bufferStep - 1) / bufferStep * bufferStep
}

// getBuffer returns n bytes with anything in them.
func getBuffer(n int) []byte {
	size := bufferSize(n)
	if size >= leastBuffer {
		if b, ok := buffers[size/bufferStep].Get().(*[]byte); ok {
			return (*b)[:n]
		}
	}
	return make([]byte, n, size)
}

// putBuffer takes back what getBuffer returned, once nobody has it any more.
func putBuffer(b []byte) {
	if cap(b) >= leastBuffer {
		buffers[cap(b)/bufferStep].Put(&b)
	}
}
