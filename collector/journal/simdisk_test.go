package journal_test

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/taproot-sensor/taproot/collector/journal"
)

// simDisk is a disk in memory that behaves as badly as real ones may: what was
// not synced may be gone, cut or zero after a power cut, names included; a
// sync that fails drops the pages and calls them clean, so that the next one
// succeeds without them.
type simDisk struct {
	mu      sync.Mutex
	rng     *rand.Rand
	names   map[string]*inode
	durable map[string]*inode // names, as of the last SyncDir
	locked  bool
	space   int // bytes that all files may have; 0 for no bound

	// syncFails and writeFails are how many of a thousand fail; syncTakes is
	// how long each takes.
	syncFails, writeFails int
	syncTakes             time.Duration
	ops                   int // that change something, since the beginning
}

// inode is a file. Reads see data; the disk has synced, and of what was
// written after it any sector or none.
type inode struct {
	data, synced []byte
	lost         []span // clean pages of data that the disk does not have
}

type span struct{ from, to int }

func newSimDisk(rng *rand.Rand) *simDisk {
	return &simDisk{rng: rng, names: map[string]*inode{}, durable: map[string]*inode{}}
}

// onDisk returns what the disk has once all that is dirty is written.
func (n *inode) onDisk() []byte {
	b := append([]byte(nil), n.data...)
	for _, s := range n.lost {
		clear(b[min(s.from, len(b)):min(s.to, len(b))])
	}
	return b
}

// powerCut returns the disk as the next start finds it.
func (d *simDisk) powerCut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := maps.Clone(d.durable)
	for path, n := range d.names { // a name that is not synced may be there
		if names[path] != n && d.rng.IntN(2) == 0 {
			names[path] = n
		}
	}
	for path := range d.durable { // one that was removed or renamed may be gone
		if d.names[path] == nil && d.rng.IntN(2) == 0 {
			delete(names, path)
		}
	}
	after := map[string]*inode{}
	for path, n := range names {
		b := d.torn(n)
		after[path] = &inode{data: b, synced: b}
	}
	d.names, d.durable, d.locked = after, maps.Clone(after), false
}

// torn returns what a power cut leaves of a file.
func (d *simDisk) torn(n *inode) []byte {
	const sector = 512
	whole := n.onDisk()
	if len(whole) < len(n.synced) { // truncated, and not synced
		if d.rng.IntN(2) == 0 {
			return whole
		}
		return n.synced
	}
	size := len(n.synced) + d.rng.IntN(len(whole)-len(n.synced)+1)
	if d.rng.IntN(3) == 0 {
		size = len(whole)
	}
	b := append([]byte(nil), whole[:size]...)
	for at := len(n.synced); at < size; { // any sector may not have been written
		next := min((at/sector+1)*sector, size)
		if d.rng.IntN(3) == 0 {
			clear(b[at:next])
		}
		at = next
	}
	return b
}

// kill ends the process that has the disk: what it wrote stays.
func (d *simDisk) kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.locked = false
}

func (d *simDisk) total() (n int) {
	for _, f := range d.names {
		n += len(f.data)
	}
	return n
}

// process is a process's view of the disk, until it dies.
type process struct {
	*simDisk
	dieAt int // op after which it does nothing more; 0 for never
}

var errDead = errors.New("the process is dead")

// step counts an op, with mu held.
func (p *process) step() error {
	p.ops++
	if p.dieAt > 0 && p.ops > p.dieAt {
		return errDead
	}
	return nil
}

func (p *process) dead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dieAt > 0 && p.ops > p.dieAt
}

func (p *process) Lock(string) (io.Closer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.locked {
		return nil, errors.New("in use by another process")
	}
	p.locked = true
	return closer(func() { p.kill() }), nil
}

type closer func()

func (c closer) Close() error { c(); return nil }

func (p *process) List(dir string) (map[string]int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sizes := map[string]int64{}
	for path, n := range p.names {
		if filepath.Dir(path) == dir {
			sizes[filepath.Base(path)] = int64(len(n.data))
		}
	}
	return sizes, nil
}

func (p *process) Create(path string) (journal.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.step(); err != nil {
		return nil, err
	}
	n := &inode{}
	p.names[path] = n
	return &simFile{p, n}, nil
}

func (p *process) Open(path string) (journal.File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.names[path]
	if n == nil {
		return nil, fs.ErrNotExist
	}
	return &simFile{p, n}, nil
}

func (p *process) Rename(from, to string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.step(); err != nil {
		return err
	}
	p.names[to] = p.names[from]
	delete(p.names, from)
	return nil
}

func (p *process) Remove(path string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.step(); err != nil {
		return err
	}
	if p.names[path] == nil {
		return fs.ErrNotExist
	}
	delete(p.names, path)
	return nil
}

func (p *process) SyncDir(string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.step(); err != nil {
		return err
	}
	if p.rng.IntN(1000) < p.syncFails {
		return syscall.EIO
	}
	p.durable = maps.Clone(p.names)
	return nil
}

func (p *process) Space(string) (free, size int64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.space == 0 {
		return 1 << 40, 1 << 40, nil
	}
	return int64(p.space - p.total()), int64(p.space), nil
}

type simFile struct {
	p *process
	n *inode
}

func (f *simFile) ReadAt(b []byte, off int64) (int, error) {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if off >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.n.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *simFile) Write(b []byte) (int, error) {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if err := f.p.step(); err != nil {
		f.n.data = append(f.n.data, b[:f.p.rng.IntN(len(b)+1)]...) // it dies in the middle
		return 0, err
	}
	n, err := len(b), error(nil)
	if free := f.p.space - f.p.total(); f.p.space > 0 && n > free {
		n, err = max(free, 0), syscall.ENOSPC
	}
	if f.p.rng.IntN(1000) < f.p.writeFails {
		n, err = f.p.rng.IntN(n+1), syscall.EIO
	}
	f.n.data = append(f.n.data, b[:n]...)
	return n, err
}

func (f *simFile) Sync() error {
	time.Sleep(f.p.syncTakes)
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if err := f.p.step(); err != nil {
		return err
	}
	if f.p.rng.IntN(1000) < f.p.syncFails {
		f.n.lost = append(f.n.lost, span{len(f.n.synced), len(f.n.data)})
		return syscall.EIO
	}
	f.n.synced = f.n.onDisk()
	return nil
}

func (f *simFile) Truncate(size int64) error {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if err := f.p.step(); err != nil {
		return err
	}
	if f.p.rng.IntN(1000) < f.p.writeFails {
		return syscall.EIO
	}
	f.n.data = append([]byte(nil), f.n.data[:size]...)
	kept := f.n.lost[:0]
	for _, s := range f.n.lost {
		if s.to = min(s.to, int(size)); s.from < s.to {
			kept = append(kept, s)
		}
	}
	f.n.lost = kept
	return nil
}

// Forget drops the clean pages: what is lost shows.
func (f *simFile) Forget() {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	f.n.data, f.n.lost = f.n.onDisk(), nil
}

func (f *simFile) Close() error { return nil }
