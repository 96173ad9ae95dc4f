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
	r := NewRelay()
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

// A relay waits for its first reader. When that one has died, what comes is
// counted.
func TestRelayWithoutReader(t *testing.T) {
	r := NewRelay()
	sent := make(chan struct{})
	go func() {
		r.Send(frame("early", 2))
		close(sent)
	}()
	read, err := r.Connect()
	if err != nil {
		t.Fatal(err)
	}
	<-sent
	if f, err := batch.ReadFrame(read); err != nil || string(f.Batch) != "early" {
		t.Errorf("got %q, %v; want the batch from before the reader", f.Batch, err)
	}
	read.Close()
	r.Send(frame("late", 3))
	if got := r.Dropped(); got != 3 {
		t.Errorf("got %d dropped records, want 3", got)
	}
}
