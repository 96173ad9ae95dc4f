package flow

import "unsafe"

// RecordSize is what a Record takes of the slab.
const RecordSize = int(unsafe.Sizeof(Record{}))
