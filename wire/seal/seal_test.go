package seal_test

import (
	"encoding/hex"
	"errors"
	"testing"

	"golang.org/x/crypto/curve25519"
	"golang.org/x/crypto/nacl/box"

	"github.com/taproot-sensor/taproot/wire/seal"
)

// links returns both ends of a session whose keys are 32 bytes of 1 and of 2.
func links(t testing.TB) (sensor, collector *seal.Link) {
	t.Helper()
	var boot, epoch, shared [32]byte
	for i := range boot {
		boot[i], epoch[i] = 1, 2
	}
	public, err := curve25519.X25519(epoch[:], curve25519.Basepoint)
	if err != nil {
		t.Fatal(err)
	}
	box.Precompute(&shared, (*[32]byte)(public), &boot)
	salt := seal.Salt([]byte("0123456789abcdef"))
	return seal.NewLink(&shared, salt, seal.Sensor), seal.NewLink(&shared, salt, seal.Collector)
}

// The vectors of docs/format/wire.md: they change only with the version.
func TestSealVectors(t *testing.T) {
	sensor, collector := links(t)
	head := [8]byte{'t', 'p', 1, 4, 0, 0, 0, 7}
	tests := []struct {
		name string
		link *seal.Link
		want string
	}{
		{"sensor", sensor, "7470010400000007" + "0000000000000005" + "a172b9699427ff8c" + "fb661b201860972eb7363dd2b9fc6578" + "1e9aa671347cdd"},
		{"collector", collector, "7470010400000007" + "0000000000000005" + "2601212d899a7442" + "cd626839f614cc6eff1a32696faf0f5e" + "b184325df79d52"},
	}
	for _, tt := range tests {
		if got := hex.EncodeToString(tt.link.Seal(nil, head, 5, []byte("taproot"))); got != tt.want {
			t.Errorf("%s: datagram = %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestOpen(t *testing.T) {
	sensor, collector := links(t)
	d := sensor.Seal([]byte("before"), [8]byte{}, 9, []byte("hello"))[len("before"):]
	number, err := collector.Check(d)
	if number != 9 || err != nil {
		t.Fatalf("Check = %d, %v", number, err)
	}
	got, err := collector.Open(nil, d)
	if string(got) != "hello" || err != nil {
		t.Errorf("Open = %q, %v", got, err)
	}
	if _, err := sensor.Check(d); err == nil {
		if _, err = sensor.Open(nil, d); err == nil {
			t.Error("a datagram opens for the end that sealed it")
		}
	}
}

// Whatever bit flips, the datagram is dropped; a bit of header or Poly1305 tag
// before it is opened.
func TestEveryBitCounts(t *testing.T) {
	sensor, collector := links(t)
	good := sensor.Seal(nil, [8]byte{'t', 'p', 1, 4}, 9, []byte("hello"))
	for bit := range 8 * len(good) {
		d := append([]byte(nil), good...)
		d[bit/8] ^= 1 << (bit % 8)
		_, err := collector.Check(d)
		if early := bit/8 < seal.Overhead; early != errors.Is(err, seal.ErrTag) {
			t.Fatalf("bit %d: Check = %v", bit, err)
		}
		if err == nil {
			_, err = collector.Open(nil, d)
		}
		if err == nil {
			t.Fatalf("bit %d does not count", bit)
		}
	}
	for n := range good {
		_, err := collector.Check(good[:n])
		if short := n < seal.Overhead; short != errors.Is(err, seal.ErrShort) {
			t.Fatalf("datagram cut at %d: Check = %v", n, err)
		}
		if err == nil {
			if _, err := collector.Open(nil, good[:n]); err == nil {
				t.Fatalf("datagram cut at %d opens", n)
			}
		}
	}
}

func TestCheckAllocatesNothing(t *testing.T) {
	sensor, collector := links(t)
	d := sensor.Seal(nil, [8]byte{}, 1, make([]byte, seal.MaxPlain))
	d[20] ^= 1
	if n := testing.AllocsPerRun(100, func() { collector.Check(d) }); n != 0 {
		t.Errorf("Check of a forged datagram allocates %v times", n)
	}
}

func FuzzOpen(f *testing.F) {
	sensor, collector := links(f)
	f.Add(sensor.Seal(nil, [8]byte{}, 1, []byte("hello")))
	f.Fuzz(func(t *testing.T, d []byte) {
		if _, err := collector.Check(d); err == nil {
			collector.Open(nil, d)
		}
	})
}

func BenchmarkCheckForged(b *testing.B) {
	sensor, collector := links(b)
	d := sensor.Seal(nil, [8]byte{}, 1, make([]byte, seal.MaxPlain))
	d[20] ^= 1
	b.ReportAllocs()
	for b.Loop() {
		collector.Check(d)
	}
}

func BenchmarkOpen(b *testing.B) {
	sensor, collector := links(b)
	d := sensor.Seal(nil, [8]byte{}, 1, make([]byte, seal.MaxPlain))
	var out []byte
	b.SetBytes(int64(len(d)))
	for b.Loop() {
		if _, err := collector.Check(d); err != nil {
			b.Fatal(err)
		}
		out, _ = collector.Open(out[:0], d)
	}
}
