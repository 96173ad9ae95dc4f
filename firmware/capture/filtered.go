package capture

import "github.com/taproot-sensor/taproot/internal/bpf"

// A filtered source leaves out what a program refuses, as a ring does.
type filtered struct {
	Source
	program bpf.Program
	refused uint64
}

// Filtered returns a source of the frames of src that program lets in: what
// RingOptions.Filter is for a port. Frames that are not Ethernet are let in.
func Filtered(src Source, program bpf.Program) Source {
	if len(program) == 0 {
		return src
	}
	return &filtered{Source: src, program: program}
}

// NextBatch implements Source.
func (s *filtered) NextBatch(frames []Frame) (int, error) {
	const ethernet = 1
	for {
		n, err := s.Source.NextBatch(frames)
		kept := 0
		for _, f := range frames[:n] {
			look := bpf.Frame{Data: f.Data, WireLen: f.WireLen, VLAN: f.VLAN, Tagged: f.VLANType != 0}
			if f.LinkType == ethernet && !s.program.Match(&look) {
				s.refused++
				continue
			}
			frames[kept] = f
			kept++
		}
		if kept > 0 || n == 0 || err != nil {
			return kept, err
		}
	}
}

// Stats implements Source.
func (s *filtered) Stats() Stats {
	stats := s.Source.Stats()
	stats.Frames -= s.refused
	return stats
}
