package uplink

import (
	"crypto/ed25519"
	"crypto/rand"
	"log/slog"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/spool"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/seal"
	"github.com/taproot-sensor/taproot/wire/site"
)

func testJoiner(t *testing.T, collector string) *joiner {
	t.Helper()
	_, identity, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	j, err := newJoiner(site.Site{Collectors: []string{collector}, Box: site.Key{9}}, identity, nil)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// A session may outlive the socket: the collector is silent and none can be
// dialled, since there is no route any more.
func TestSessionWithoutSocket(t *testing.T) {
	var shared [32]byte
	const nowhere = "127.0.0.1:99999"
	u := &uplink{
		Config: Config{Site: site.Site{Collectors: []string{nowhere}}, Spool: spool.New(1 << 20), Log: slog.New(slog.DiscardHandler), Say: func(string) {}},
		join:   testJoiner(t, nowhere),
		send:   newSender(seal.NewLink(&shared, seal.Salt{}, seal.Sensor), 1, 1<<20, 0),
	}
	u.send.flight.probes = silence
	u.Spool.Put(batch.Frame{Batch: make([]byte, 5000)})
	u.transmit(t.Context(), start)
	if u.conn != nil || u.stats.sent == 0 || u.stats.sendErrors != u.stats.sent {
		t.Errorf("of %d datagrams without a socket, %d are send errors", u.stats.sent, u.stats.sendErrors)
	}
}
