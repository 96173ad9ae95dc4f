package update

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/taproot-sensor/taproot/firmware/slots"
)

// RAM changes a system that was started from no slot: from an ISO or the network.
// It keeps nothing that outlasts the power: a release is started from memory, and
// if it does not prove itself, the machine starts from where it was started first.
// What becomes of a trial is for the collector to remember (Follower.Announce).
type RAM struct {
	Key    ed25519.PrivateKey // who the sensor is, for the next system too
	Loader string             // the program in a slot whose parts are started

	// Load has the kernel started by the next restart.
	Load func(kernel, initramfs *os.File, commandLine string) error

	// Base is a slot that patches may be applied to, and From its digest; nil
	// where there is none.
	Base io.ReaderAt
	From slots.Digest

	mu    sync.Mutex
	state slots.State // Digest is of what runs; zero where that is not known
}

// NewRAM returns the updater of a system with that key and state. It is on trial
// if the state has one.
func NewRAM(h Handover, loader string) *RAM {
	return &RAM{Key: h.Key, Loader: loader, state: h.State}
}

// State returns what is known, as of a boot journal.
func (r *RAM) State() slots.State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// Runs returns the digest of what runs; zero where that is not known.
func (r *RAM) Runs() (slots.Digest, error) { return r.State().Digest, nil }

// Image returns what patches may be applied to, and its digest.
func (r *RAM) Image() (io.ReaderAt, slots.Digest, error) { return r.Base, r.From, nil }

// Found says what runs, once that is known.
func (r *RAM) Found(digest slots.Digest) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Digest = digest
}

// Confirm ends the trial: what was tried is what runs.
func (r *RAM) Confirm() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.state.Trial
	if t == nil {
		return fmt.Errorf("confirming trial: %w", errNoTrial)
	}
	r.state.Digest, r.state.Trial = t.Digest, nil
	r.state.Floor = max(r.state.Floor, t.Floor)
	r.state.Forgive(t.Digest)
	return nil
}

// Install loads a release for the next restart. A release that the kernel refuses
// has failed, and is not tried again.
func (r *RAM) Install(ctx context.Context, image io.Reader, rel Release) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.install(ctx, image, rel); err != nil {
		return fmt.Errorf("updating in RAM: %w", err)
	}
	return nil
}

func (r *RAM) install(ctx context.Context, image io.Reader, rel Release) error {
	if r.state.Trial != nil {
		return ErrOnTrial
	}
	if err := r.state.Refuses(rel.Digest); err != nil {
		return err
	}
	slot, err := inMemory(ctx, image, rel.Digest)
	if err != nil {
		return err
	}
	defer slot.Close()
	next := r.state
	next.Committed = slots.A
	if rel.Confirm == 0 {
		rel.Confirm = DefaultConfirm
	}
	next.Trial = &slots.Trial{Slot: slots.B, Digest: rel.Digest, Floor: rel.Floor, Confirm: rel.Confirm}
	err = r.load(slot, Handover{r.Key, next})
	switch {
	case err == nil:
	case errors.Is(err, unix.ENOMEM):
		err = fmt.Errorf("%w: %v", ErrMemory, err)
	default:
		r.state.Fail(rel.Digest, slots.Unconfirmed)
		err = fmt.Errorf("%w: %v", ErrKernel, err)
	}
	return err
}

// inMemory returns a file in memory with a slot whose digest is want. What is
// zero takes none.
func inMemory(ctx context.Context, image io.Reader, want slots.Digest) (*os.File, error) {
	f, err := memoryFile("slot")
	if err != nil {
		return nil, err
	}
	sum, at, b := sha256.New(), int64(0), make([]byte, chunkSize)
	for err == nil && ctx.Err() == nil {
		var n int
		n, err = io.ReadFull(image, b)
		sum.Write(b[:n])
		if b := b[:n]; !allZero(b) {
			if _, err := f.WriteAt(b, at); err != nil {
				return nil, errors.Join(err, f.Close())
			}
		}
		at += int64(n)
	}
	switch {
	case ctx.Err() != nil:
		err = ctx.Err()
	case err != io.EOF && err != io.ErrUnexpectedEOF:
		err = fmt.Errorf("reading image: %w", err)
	case slots.Digest(sum.Sum(nil)) != want:
		err = ErrDigest
	default:
		err = f.Truncate(at)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func allZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}

// load takes kernel and initramfs out of a slot and loads them.
func (r *RAM) load(slot *os.File, h Handover) error {
	s, err := Unpack(slot, r.Loader)
	if err != nil {
		return err
	}
	kernel, err := memoryFile("kernel")
	if err != nil {
		return err
	}
	defer kernel.Close()
	initramfs, err := memoryFile("initramfs")
	if err != nil {
		return err
	}
	defer initramfs.Close()
	if _, err := io.Copy(kernel, s.Kernel); err != nil {
		return err
	}
	if _, err := io.Copy(initramfs, s.Initramfs); err != nil {
		return err
	}
	if _, err := initramfs.Write(h.archive(s.Initramfs.Size())); err != nil {
		return err
	}
	if err := slot.Truncate(0); err != nil { // its memory is wanted
		return err
	}
	return r.Load(kernel, initramfs, s.CommandLine+" "+slots.Live)
}

// memoryFile returns a file that is in memory alone.
func memoryFile(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making a file in memory: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}
