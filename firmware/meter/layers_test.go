package meter_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/frametest"
	"github.com/taproot-sensor/taproot/firmware/meter"
)

func layersOf(t testing.TB, frames ...frametest.Frame) records {
	t.Helper()
	src, err := capture.NewFile("test.pcap", bytes.NewReader(frametest.Pcap(1, frames...)))
	if err != nil {
		t.Fatal(err)
	}
	var pipe bytes.Buffer
	if err := meter.Run(context.Background(), meter.Config{Source: src, Out: &pipe, FlowCapacity: 1024, Layers: true}); err != nil {
		t.Fatal(err)
	}
	return parse(t, &pipe)
}

func TestMeterLayers(t *testing.T) {
	var tr trace
	p := frametest.Between("10.0.0.1:1000", "10.0.0.2:80", frametest.TCP)
	p.Flags, p.Seq, p.Payload = 16, 7, []byte("abc")
	tr.add(p.Ethernet(42))
	later := frametest.Between("10.0.0.3:1", "10.0.0.4:2", frametest.UDP)
	later.ID, later.Fragment, later.Payload = 7, 13, make([]byte, 50)
	tr.add(later.Ethernet())
	tr.exchange(frametest.Between("[2001:db8::1]:5000", "[2001:db8::2]:6000", frametest.UDP), "ping")
	out := layersOf(t, tr.frames...)
	macs := `"layer":"ethernet","src_mac":"02:00:00:00:00:01","dst_mac":"02:00:00:00:00:02"`
	out.want(t, "layer",
		`"flow":1,`+macs+`,"length":61}`,
		`"flow":1,"layer":"vlan","vlan":42}`,
		`"flow":1,"layer":"ipv4","src_addr":"10.0.0.1","dst_addr":"10.0.0.2","proto":6,"ttl":64}`,
		`"flow":1,"layer":"tcp","src_port":1000,"dst_port":80,"flags":16,"seq":7,"window":65535,"length":3}`,
		`"flow":2,`+macs+`,"length":84}`,
		`"flow":2,"layer":"ipv4","src_addr":"10.0.0.3","dst_addr":"10.0.0.4","proto":17,"ttl":64,"frag_id":7}`,
		`"flow":3,`+macs+`,"length":66}`,
		`"flow":3,"layer":"ipv6","src_addr":"2001:db8::1","dst_addr":"2001:db8::2","proto":17,"ttl":64}`,
		`"flow":3,"layer":"udp","src_port":5000,"dst_port":6000,"length":4}`,
	)
	if plain, _ := run(t, frametest.Pcap(1, tr.frames...)); len(plain.lines["layer"]) != 0 {
		t.Errorf("layers without asking: %s", strings.Join(plain.lines["layer"], "\n"))
	}
}

// BenchmarkMeterLayers writes all headers of the capture that
// TAPROOT_BENCH_PCAP names, or of a hundred thousand small frames.
func BenchmarkMeterLayers(b *testing.B) {
	frame := frametest.Between("10.0.0.1:1", "10.0.0.2:2", frametest.UDP).Ethernet()
	var tr trace
	for range 100_000 {
		tr.add(frame)
	}
	pcap := frametest.Pcap(1, tr.frames...)
	if path := os.Getenv("TAPROOT_BENCH_PCAP"); path != "" {
		var err error
		if pcap, err = os.ReadFile(path); err != nil {
			b.Fatal(err)
		}
	}
	var frames uint64
	for b.Loop() {
		src, err := capture.NewFile("memory", bytes.NewReader(pcap))
		if err != nil {
			b.Fatal(err)
		}
		if err := meter.Run(context.Background(), meter.Config{Source: src, Out: io.Discard, Layers: true}); err != nil {
			b.Fatal(err)
		}
		frames += src.Stats().Frames
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(frames), "ns/packet")
}
