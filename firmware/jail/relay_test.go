package jail

import (
	"bytes"
	"io"
	"testing"

	"github.com/taproot-sensor/taproot/wire/batch"
)

func frame(text string, records int) batch.Frame {
	return batch.Frame{Class: batch.Records, Records: records, Batch: []byte(text)}
}

func TestRelayDropsTornBatch(t *testing.T) {
	var r Relay
	read, err := r.Connect()
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	for _, f := range []batch.Frame{frame("one", 1), frame("torn", 1)} {
		if err := batch.WriteFrame(&first, f); err != nil {
			t.Fatal(err)
		}
	}
	first.Truncate(first.Len() - 2)
	if err := r.Copy(&first); err == nil {
		t.Error("a torn batch went through without an error")
	}
	if err := batch.WriteFrame(&second, frame("two", 1)); err != nil {
		t.Fatal(err)
	}
	if err := r.Copy(&second); err != nil {
		t.Error(err)
	}
	r.Close()
	for _, want := range []string{"one", "two"} {
		if f, err := batch.ReadFrame(read); err != nil || string(f.Batch) != want {
			t.Errorf("got %q, %v; want %q", f.Batch, err, want)
		}
	}
	if _, err := batch.ReadFrame(read); err != io.EOF {
		t.Errorf("got %v, want EOF", err)
	}
}

func TestRelayCountsWithoutReader(t *testing.T) {
	var r Relay
	r.Send(frame("early", 2))
	read, err := r.Connect()
	if err != nil {
		t.Fatal(err)
	}
	r.Send(frame("heard", 10))
	read.Close()
	r.Send(frame("late", 3))
	if got := r.Dropped(); got != 5 {
		t.Errorf("got %d dropped records, want 5", got)
	}
}
