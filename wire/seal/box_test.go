package seal_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"golang.org/x/crypto/nacl/box"
	"golang.org/x/sys/cpu"

	"github.com/taproot-sensor/taproot/wire/seal"
)

// eachStream runs f with each way that this machine has to make a key stream.
func eachStream(t *testing.T, f func(t *testing.T)) {
	t.Run("best", f)
	defer func(had bool) { cpu.X86.HasAVX2 = had }(cpu.X86.HasAVX2)
	cpu.X86.HasAVX2 = false
	t.Run("generic", f)
}

// checkBox holds a datagram against what x/crypto's box makes of the same.
func checkBox(t *testing.T, shared *[32]byte, salt seal.Salt, number uint64, plain []byte) {
	t.Helper()
	number &^= 1 << 63
	for _, role := range []seal.Role{seal.Sensor, seal.Collector} {
		var nonce [24]byte
		copy(nonce[:], salt[:])
		binary.BigEndian.PutUint64(nonce[16:], number)
		if role == seal.Collector {
			nonce[16] |= 0x80
		}
		want := box.SealAfterPrecomputation(nil, plain, &nonce, shared)
		d := seal.NewLink(shared, salt, role).Seal(nil, [8]byte{}, number, plain)
		if got := d[seal.HeaderSize:]; !bytes.Equal(got, want) {
			t.Fatalf("box of %d bytes, number %d\n got %x\nwant %x", len(plain), number, got, want)
		}
		other := seal.NewLink(shared, salt, !role)
		if got, err := other.Open([]byte("before"), d); err != nil || string(got) != "before"+string(plain) {
			t.Fatalf("box of %d bytes, number %d: opens as %x, %v", len(plain), number, got, err)
		}
		d[seal.HeaderSize+int(number)%len(want)] ^= 1 << (number >> 32 % 8)
		if _, err := other.Open(nil, d); err == nil {
			t.Fatalf("box of %d bytes, number %d: opens with a bit changed", len(plain), number)
		}
	}
}

// Boxes of every length are x/crypto's.
func TestBoxEveryLength(t *testing.T) {
	eachStream(t, func(t *testing.T) {
		random := rand.NewChaCha8([32]byte{1})
		var shared [32]byte
		var salt seal.Salt
		plain := make([]byte, seal.MaxPlain)
		for n := range seal.MaxPlain + 1 {
			random.Read(shared[:])
			random.Read(salt[:])
			random.Read(plain)
			checkBox(t, &shared, salt, random.Uint64(), plain[:n])
		}
	})
}

func FuzzBox(f *testing.F) {
	f.Add([]byte("key"), []byte("salt"), uint64(1), []byte("plain"))
	f.Add(bytes.Repeat([]byte{0xff}, 32), bytes.Repeat([]byte{0xff}, 16), uint64(1<<63-1), make([]byte, seal.MaxPlain))
	f.Fuzz(func(t *testing.T, key, salt []byte, number uint64, plain []byte) {
		var shared [32]byte
		var s seal.Salt
		copy(shared[:], key)
		copy(s[:], salt)
		checkBox(t, &shared, s, number, plain[:min(len(plain), seal.MaxPlain)])
	})
}

// A link neither seals nor opens in place, and opens nothing that is too large.
func TestBoxBounds(t *testing.T) {
	sensor, collector := links(t)
	d := sensor.Seal(nil, [8]byte{}, 1, make([]byte, seal.MaxPlain))
	if _, err := collector.Open(nil, append(d, 0)); err == nil {
		t.Error("a datagram opens that is larger than any")
	}
	buf := make([]byte, 0, seal.MaxDatagram)
	if n := testing.AllocsPerRun(100, func() { collector.Open(buf, d) }); n != 0 {
		t.Errorf("Open allocates %v times", n)
	}
	for name, f := range map[string]func(){
		"seals over its plaintext": func() { sensor.Seal(buf, [8]byte{}, 2, buf[:seal.MaxPlain]) },
		"opens over its datagram":  func() { collector.Open(d[:10], d) },
		"seals too much":           func() { sensor.Seal(nil, [8]byte{}, 2, make([]byte, seal.MaxPlain+1)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("it %s", name)
				}
			}()
			f()
		}()
	}
}

func BenchmarkSeal(b *testing.B) {
	sensor, _ := links(b)
	plain := make([]byte, seal.MaxPlain)
	var out []byte
	b.SetBytes(seal.MaxDatagram)
	for b.Loop() {
		out = sensor.Seal(out[:0], [8]byte{}, 1, plain)
	}
}
