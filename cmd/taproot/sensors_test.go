package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/taproot-sensor/taproot/collector/control"
	"github.com/taproot-sensor/taproot/collector/edge/quota"
	"github.com/taproot-sensor/taproot/collector/rollout"
	"github.com/taproot-sensor/taproot/provisioning/releases"
	"github.com/taproot-sensor/taproot/wire/release"
)

// publish makes releases 1.0 and 1.1 for a board, for the collector in dir, and
// returns the digests of their slots.
func publish(t *testing.T, dir, board string) (slots [2]string) {
	t.Helper()
	base := t.TempDir()
	repo, err := releases.Create(filepath.Join(base, "repo"), filepath.Join(base, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range slots {
		slot := []byte(strings.Repeat(fmt.Sprint("slot", i), 100))
		sum := sha256.Sum256(slot)
		slots[i] = hex.EncodeToString(sum[:])
		img := releases.Image{Board: board, Release: fmt.Sprintf("1.%d", i), Slot: enc.EncodeAll(slot, nil), Digest: slots[i], Size: int64(len(slot))}
		if _, err := repo.Sign(img, releases.SignOptions{Channels: []string{rollout.DefaultChannel}}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := repo.Publish(filepath.Join(dir, rollout.Dir)); err != nil {
		t.Fatal(err)
	}
	return slots
}

// taproot sensors shows which release a sensor runs, what it is offered, and what
// failed on it.
func TestSensorsShowUpdates(t *testing.T) {
	s := startCollector(t)
	const board = "qemu-x86-64"
	row := func() string {
		t.Helper()
		out, _, err := s.do("sensors")
		if err != nil {
			t.Fatal(err)
		}
		_, after, _ := strings.Cut(out, "\n")
		return regexp.MustCompile(" {2,}").ReplaceAllString(strings.TrimSpace(after), "|")
	}
	if got := row(); !strings.HasSuffix(got, "|-|-|0|0|0|-") {
		t.Errorf("before any release: %s", got)
	}
	slots := publish(t, s.dir, board)
	server := &rollout.Server{Dir: filepath.Join(s.dir, rollout.Dir), Log: slog.New(slog.DiscardHandler)}
	for _, tt := range []struct {
		runs   string
		failed []string
		want   string
	}{
		{slots[0], nil, "|1.0|1.1 offered|0|"},
		{slots[1], nil, "|1.1|none|0|"},
		{slots[0], []string{slots[1]}, "|1.0|1.1 failed|0|"},
	} {
		q := release.Query{Board: board, Unit: "0123456789abcdef", Slot: tt.runs, Failed: tt.failed}
		answer, err := server.OpenFor(hex.EncodeToString(sensorID[:]), q.Name())
		if err != nil {
			t.Fatal(err)
		}
		answer.Close()
		if got := row(); !strings.Contains(got, tt.want) {
			t.Errorf("%q is not in %s", tt.want, got)
		}
	}
	list, err := control.NewClient(s.dir).Sensors(t.Context())
	if err != nil || len(list) != 1 || list[0].Update == nil || list[0].Update.Failed[0] != "1.1" {
		t.Errorf("sensors: %+v, %v", list, err)
	}
}

func TestQuotaText(t *testing.T) {
	for _, tt := range []struct {
		usage quota.Usage
		want  string
	}{
		{quota.Usage{Stored: 7}, "-"},
		{quota.Usage{Slowed: true}, "slowed"},
		{quota.Usage{Refused: 3}, "3 refused"},
		{quota.Usage{Slowed: true, Refused: 3}, "slowed, 3 refused"},
	} {
		if got := quotaText(&tt.usage); got != tt.want {
			t.Errorf("%+v is %q, want %q", tt.usage, got, tt.want)
		}
	}
}
