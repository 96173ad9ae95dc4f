package batch_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/taproot-sensor/taproot/wire/batch"
)

func TestBatchRoundTrip(t *testing.T) {
	b := batch.Append(nil, batch.Zstd, 70000, []byte("body"))
	codec, raw, body, err := batch.Parse(b)
	if codec != batch.Zstd || raw != 70000 || string(body) != "body" || err != nil {
		t.Errorf("Parse = %v, %d, %q, %v", codec, raw, body, err)
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name, batch, want string
	}{
		{"empty", "", "cut short"},
		{"version", "\x02\x00\x00", "version 2"},
		{"codec", "\x01\x09\x00", "unknown codec 9"},
		{"size", "\x01\x01\xff\xff\xff\x7f", "out of range"},
		{"size cut", "\x01\x01\xff", "out of range"},
		{"uncompressed size", "\x01\x00\x05abc", "body of 3 bytes, want 5"},
		{"too long", strings.Repeat("\x01", batch.MaxSize+1), "at most"},
	}
	for _, tt := range tests {
		if _, _, _, err := batch.Parse([]byte(tt.batch)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error = %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

func TestFrames(t *testing.T) {
	var pipe bytes.Buffer
	want := []batch.Frame{
		{Class: batch.Health, Records: 1, Batch: []byte("a")},
		{Class: batch.Bulk, Records: 4000, Kinds: []batch.KindCount{{"flow", 3999}, {"dhcp6", 1}}, Batch: bytes.Repeat([]byte("b"), batch.MaxSize)},
	}
	for _, f := range want {
		if err := batch.WriteFrame(&pipe, f); err != nil {
			t.Fatal(err)
		}
	}
	whole := pipe.Bytes()
	var got []batch.Frame
	for range want {
		f, err := batch.ReadFrame(&pipe)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("frames (-want +got)\n%s", diff)
	}
	if _, err := batch.ReadFrame(&pipe); err != io.EOF {
		t.Errorf("error at the end = %v, want io.EOF", err)
	}
	for _, n := range []int{1, 9, 10, 101, 111, 115, 125} { // the second frame begins at 11
		if _, err := batch.ReadFrame(bytes.NewReader(whole[11*(n/100):][:n%100])); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("a frame cut at %d: error = %v", n, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(batch.Append(nil, batch.Zstd, 70000, []byte("body")))
	f.Add(batch.Append(nil, batch.None, 4, []byte("body")))
	f.Fuzz(func(t *testing.T, b []byte) {
		codec, raw, body, err := batch.Parse(b)
		if err != nil {
			return
		}
		if got, _, _, err := batch.Parse(batch.Append(nil, codec, raw, body)); got != codec || err != nil {
			t.Fatalf("round trip: %v, %v", got, err)
		}
	})
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00a"))
	f.Add([]byte("\x00\x00\x00\x01\x00\x00\x00\x01\x01\x01\x04flow\x00\x00\x00\x01a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if fr, err := batch.ReadFrame(bytes.NewReader(b)); err == nil && len(fr.Batch) > len(b) {
			t.Fatal("frame is longer than its input")
		}
	})
}
