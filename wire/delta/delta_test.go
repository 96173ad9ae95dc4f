package delta_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/wire/delta"
)

// program returns bytes that are like a program: repetitive, with numbers in it.
func program(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	var b []byte
	for len(b) < size {
		for range 12 {
			b = append(b, byte(r.IntN(16)))
		}
		b = append(b, "mov call ret push"[:r.IntN(17)]...)
	}
	return b[:size]
}

func edit(b []byte, at int, insert string) []byte {
	return append(append(bytes.Clone(b[:at]), insert...), b[at:]...)
}

// slot returns an image that is like a slot: a kernel, two frames, and zeros.
func slot(main []byte) []byte {
	rest := delta.Compress(nil, program(99, 100<<10))
	b := append(bytes.Repeat([]byte("kernel"), 5000), delta.Compress(nil, main)...)
	b = append(append(b, "between"...), rest...)
	return append(b, make([]byte, 1<<20-len(b))...)
}

func TestPatch(t *testing.T) {
	old := program(1, 1<<19)
	tests := []struct {
		name     string
		old, new []byte
		most     int // bytes of the patch
	}{
		{"same", old, old, 300},
		{"insert", old, edit(old, 1<<17, "something new"), 400},
		{"cut", old, old[100 : len(old)-100], 400},
		{"from nothing", nil, old[:1000], 2000},
		{"to nothing", old, nil, 300},
		{"slot", slot(old), slot(edit(old, 1<<16, "something new")), 1200},
		{"slot grows", slot(old), slot(append(bytes.Clone(old), program(7, 64<<10)...)), 80 << 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			patch, err := delta.Make(tt.old, tt.new)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := delta.Apply(&got, bytes.NewReader(tt.old), patch); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Bytes(), tt.new) {
				t.Error("the patch makes another image")
			}
			if len(patch) > tt.most {
				t.Errorf("patch has %d bytes, want at most %d", len(patch), tt.most)
			}
		})
	}
}

func TestPatchOfAnotherImage(t *testing.T) {
	old := program(1, 1<<18)
	patch, err := delta.Make(slot(old), slot(edit(old, 99, "new")))
	if err != nil {
		t.Fatal(err)
	}
	if err := delta.Apply(io.Discard, bytes.NewReader(make([]byte, 1<<20)), patch); err == nil || !strings.Contains(err.Error(), "what runs") {
		t.Errorf("got %v, want an error about the image that runs", err)
	}
}

func TestDamagedPatch(t *testing.T) {
	old := program(1, 1<<17)
	patch, err := delta.Make(slot(old), slot(edit(old, 99, "new")))
	if err != nil {
		t.Fatal(err)
	}
	image := slot(old)
	for i := 0; i < len(patch); i += 11 {
		if err := delta.Apply(io.Discard, bytes.NewReader(image), patch[:i]); err == nil {
			t.Fatalf("a patch of %d of %d bytes is applied", i, len(patch))
		}
	}
}

func FuzzApply(f *testing.F) {
	old := program(1, 96<<10)
	image := slot(old)
	for _, new := range [][]byte{image, slot(edit(old, 5, "x")), old[:100]} {
		patch, err := delta.Make(image, new)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(patch)
	}
	f.Fuzz(func(t *testing.T, patch []byte) {
		n := counter(0)
		err := delta.Apply(&n, bytes.NewReader(image), patch)
		if n > delta.MaxImage {
			t.Fatalf("wrote %d bytes", n)
		}
		if _, headErr := delta.Need(patch); headErr != nil && err == nil {
			t.Fatal("applied a patch without a head")
		}
	})
}

type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}
