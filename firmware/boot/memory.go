package boot

import (
	"bufio"
	"fmt"
	"io/fs"
)

// A Budget says how much of the machine's RAM goes where, in bytes. What is
// left is the kernel's and the program's own text.
type Budget struct {
	Ring   int // packet rings, a whole number of MiB
	Spool  int // batches that wait for the collector
	Meter  int // heap of the stage that reads frames
	Flows  int // flows kept at once
	Shards int // meters that share the frames
}

const mib = 1 << 20

// ReadMemory returns a field of /proc/meminfo, in bytes: MemTotal is what the
// kernel has to give, MemAvailable what of it is left. proc is /proc.
func ReadMemory(proc fs.FS, field string) (int, error) {
	f, err := proc.Open("meminfo")
	if err != nil {
		return 0, fmt.Errorf("reading memory: %w", err)
	}
	defer f.Close()
	var kib int
	for s := bufio.NewScanner(f); s.Scan(); {
		if n, _ := fmt.Sscanf(s.Text(), field+": %d kB", &kib); n == 1 {
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("reading memory: no %s in meminfo", field)
}

// shardMemory is what a machine has for each of its shards: each has streams,
// encoders and rings of its own.
const shardMemory = 96 * mib

// Divide shares out total bytes of memory, and the processors. The shares were found on machines
// of 128 MiB, where the kernel, three processes and the program in RAM leave
// little; above that the ring and the spool grow first, because they are what
// stands between a burst or an absent collector and a loss.
func Divide(total, processors int) Budget {
	return Budget{
		Ring:   clamp(total/16/mib, 4, 64) * mib,
		Spool:  max(total/8, total/2-96*mib),
		Meter:  total / 5,
		Flows:  clamp(total/mib*128, 8192, 1<<20),
		Shards: clamp(total/shardMemory, 1, processors),
	}
}

func clamp(n, low, high int) int { return min(max(n, low), high) }
