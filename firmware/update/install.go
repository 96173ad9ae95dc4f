package update

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/taproot-sensor/taproot/firmware/slots"
)

// A Release is what is to be installed.
type Release struct {
	Digest  slots.Digest  // of the whole slot
	Floor   uint64        // the least release that may follow it; 0 leaves it as it is
	Confirm time.Duration // how long its trial has; 0 is DefaultConfirm
}

// Sizes of what is written and read at once. The first sector of a slot is
// written by itself, last.
const (
	firstSector = 512
	chunkSize   = 256 << 10
)

// Errors for callers to tell apart.
var (
	ErrOnTrial = errors.New("this system is on trial itself")
	ErrDigest  = errors.New("the image is not what its digest says")
)

// Install writes a release into the slot that does not run, and arms it: the
// next reboot, with RebootArgument, is its trial. image fills a slot whole. Until
// Install returns nil, the running system is the one that starts.
func (u *Updater) Install(ctx context.Context, image io.Reader, rel Release) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := u.install(ctx, image, rel); err != nil {
		return fmt.Errorf("updating slot %s: %w", u.running.Other(), err)
	}
	return nil
}

func (u *Updater) install(ctx context.Context, image io.Reader, rel Release) error {
	if t := u.state.Trial; t != nil && t.Slot == u.running {
		return ErrOnTrial
	}
	if err := u.state.Refuses(rel.Digest); err != nil {
		return err
	}
	if err := u.settle(); err != nil {
		return err
	}
	to := u.running.Other()
	if err := u.write(ctx, to, image, rel.Digest); err != nil {
		return err
	}
	if rel.Confirm == 0 {
		rel.Confirm = DefaultConfirm
	}
	next := u.state
	next.Trial = &slots.Trial{Slot: to, Digest: rel.Digest, Floor: rel.Floor, Confirm: rel.Confirm}
	if err := u.journal.Write(next); err != nil {
		return err
	}
	u.state = next
	if err := u.slots.Arm(to); err != nil {
		return errors.Join(err, u.settle()) // nothing is armed, and nothing waits
	}
	return nil
}

// settle makes sure that nothing points at the slot that is to be written.
func (u *Updater) settle() error {
	if u.running != u.state.Committed {
		if err := u.adopt(); err != nil {
			return err
		}
	}
	if u.state.Trial != nil { // armed by an Install that was not followed by a reboot
		next := u.state
		next.Trial = nil
		if err := u.journal.Write(next); err != nil {
			return err
		}
		u.state = next
	}
	return u.slots.Repair(u.running)
}

// write makes a slot hold image. A slot that holds it already is left alone.
func (u *Updater) write(ctx context.Context, to slots.Slot, image io.Reader, want slots.Digest) error {
	if got, err := u.hash(to); err == nil && got == want {
		return nil
	}
	r := u.table[to.Region()]
	if err := u.close(to); err != nil {
		return err
	}
	var first [firstSector]byte
	if _, err := io.ReadFull(image, first[:]); err != nil {
		return fmt.Errorf("reading image: %w", err)
	}
	sum := sha256.New()
	sum.Write(first[:])
	buf := make([]byte, chunkSize)
	for at := int64(firstSector); at < r.Size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(int64(len(buf))-at%chunkSize, r.Size-at)
		if _, err := io.ReadFull(image, buf[:n]); err != nil {
			return fmt.Errorf("reading image: %w", err)
		}
		sum.Write(buf[:n])
		if _, err := u.disk.WriteAt(buf[:n], r.Start+at); err != nil {
			return err
		}
		at += n
	}
	if n, err := image.Read(buf[:1]); n > 0 || err != io.EOF {
		return fmt.Errorf("image is larger than a slot of %d bytes", r.Size)
	}
	if slots.Digest(sum.Sum(nil)) != want {
		return ErrDigest
	}
	if err := u.disk.Flush(); err != nil {
		return err
	}
	rest := io.NewSectionReader(u.disk, r.Start+firstSector, r.Size-firstSector)
	if got, err := digest(io.MultiReader(bytes.NewReader(first[:]), rest)); err != nil || got != want {
		return errors.Join(slots.ErrNotWritten, err)
	}
	return slots.WriteDurably(u.disk, first[:], r.Start)
}

// close makes a slot one that nothing starts: without its first sector it is no
// file system.
func (u *Updater) close(s slots.Slot) error {
	return slots.WriteDurably(u.disk, make([]byte, firstSector), u.table[s.Region()].Start)
}

// Hash returns the digest of a slot.
func Hash(slot io.Reader) (slots.Digest, error) { return digest(slot) }

// digest hashes all of r.
func digest(r io.Reader) (slots.Digest, error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, bufio.NewReaderSize(r, chunkSize)); err != nil {
		return slots.Digest{}, err
	}
	return slots.Digest(sum.Sum(nil)), nil
}
