package meter_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/taproot-sensor/taproot/firmware/capture"
	"github.com/taproot-sensor/taproot/firmware/frametest"
	"github.com/taproot-sensor/taproot/firmware/meter"
	"github.com/taproot-sensor/taproot/wire/batch"
	"github.com/taproot-sensor/taproot/wire/record"
)

// records is what a meter wrote: JSON lines by kind, and the last value of
// each counter by "stage.counter".
type records struct {
	lines    map[string][]string
	counters map[string]int64
	batches  int
	bytes    int
}

// parse reads batches as the collector would.
func parse(t testing.TB, r io.Reader) records {
	t.Helper()
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	out := records{lines: make(map[string][]string), counters: make(map[string]int64)}
	for {
		f, err := batch.ReadFrame(r)
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		out.batches++
		out.bytes += len(f.Batch)
		codec, size, body, err := batch.Parse(f.Batch)
		if err != nil || codec != batch.Zstd {
			t.Fatalf("codec %d, %v", codec, err)
		}
		raw, err := dec.DecodeAll(body, nil)
		if err != nil || len(raw) != size {
			t.Fatalf("%d bytes, want %d, %v", len(raw), size, err)
		}
		rows := 0
		for len(raw) > 0 {
			var b record.Block
			if b, raw, err = record.ParseBlock(raw); err != nil {
				t.Fatal(err)
			}
			rows += b.Rows
			out.block(&b)
			if health := b.Kind == "sensor"; health != (f.Class == batch.Health) {
				t.Errorf("kind %s in class %d", b.Kind, f.Class)
			}
		}
		if rows != f.Records {
			t.Errorf("%d records, frame says %d", rows, f.Records)
		}
	}
}

func (out *records) block(b *record.Block) {
	if b.Kind != "sensor" {
		for i := range b.Rows {
			out.lines[b.Kind] = append(out.lines[b.Kind], string(b.AppendJSON(nil, i)))
		}
		return
	}
	column := make(map[string]record.Column)
	for _, c := range b.Columns {
		column[c.Name] = c
	}
	stage, counter, value := column["stage"], column["counter"], column["value"]
	for i := range b.Rows {
		out.counters[stage.Dict[stage.Index[i]]+"."+counter.Dict[counter.Index[i]]] = value.Ints[i]
	}
}

// check fails unless every frame is accounted for.
func (out *records) check(t testing.TB, frames uint64) {
	t.Helper()
	sum := out.counters["flow.packets"] + out.counters["decode.arp"] + out.counters["decode.link"]
	for name, n := range out.counters {
		if strings.HasPrefix(name, "decode.drop_") {
			sum += n
		}
	}
	if got := out.counters["capture.frames"]; sum != got || uint64(got) != frames {
		t.Errorf("%d frames read, %d counted as read, %d as metered or dropped", frames, got, sum)
	}
	if n := out.counters["meter.parser_panics"]; n != 0 {
		t.Errorf("%d parser panics", n)
	}
	for _, kind := range []string{"flow", "dns", "tls", "dhcp", "arp"} {
		if got, want := len(out.lines[kind]), int(out.counters["meter.records_"+kind]); got != want {
			t.Errorf("%d records of kind %s written, %d counted", got, kind, want)
		}
	}
}

// run meters a capture.
func run(t testing.TB, file []byte) (records, error) {
	t.Helper()
	src, err := capture.NewFile("test.pcap", bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var pipe bytes.Buffer
	err = meter.Run(context.Background(), meter.Config{Source: src, Out: &pipe, FlowCapacity: 1024})
	out := parse(t, &pipe)
	out.check(t, src.Stats().Frames)
	out.renumber()
	return out, err
}

var flowNumber = regexp.MustCompile(`"(flow|tunnel)":(\d+)`)

// renumber gives the flows the numbers 1, 2, 3 in the order of their first
// packets, whose numbers they bear.
func (out *records) renumber() {
	var numbers []int
	number := func(text string) int {
		n, _ := strconv.Atoi(flowNumber.FindStringSubmatch(text)[2])
		return n
	}
	for _, line := range out.lines["flow"] {
		numbers = append(numbers, number(line))
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	for _, lines := range out.lines {
		for i := range lines {
			lines[i] = flowNumber.ReplaceAllStringFunc(lines[i], func(text string) string {
				at, _ := slices.BinarySearch(numbers, number(text))
				return text[:strings.IndexByte(text, ':')+1] + strconv.Itoa(at+1)
			})
		}
	}
}

// want compares the records of a kind, without their times and flow numbers.
func (out *records) want(t *testing.T, kind string, want ...string) {
	t.Helper()
	got := out.lines[kind]
	if len(got) != len(want) {
		t.Fatalf("got %s records %q\nwant %q", kind, got, want)
	}
	for i := range got {
		_, fields, _ := strings.Cut(got[i], `Z",`)
		if fields != want[i] {
			t.Errorf("%s record %d\n got %s\nwant %s", kind, i, fields, want[i])
		}
	}
}

// A trace is a capture in the making: a frame every millisecond.
type trace struct{ frames []frametest.Frame }

func (tr *trace) add(data []byte) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(len(tr.frames)) * time.Millisecond)
	tr.frames = append(tr.frames, frametest.Frame{Time: at, Data: data})
}

// exchange adds packets of one conversation: those that begin with "<" are
// answers.
func (tr *trace) exchange(p frametest.Packet, messages ...string) {
	sent := [2]uint32{100, 200}
	for _, m := range messages {
		q, side := p, 0
		if strings.HasPrefix(m, "<") {
			q.Src, q.Dst, m, side = p.Dst, p.Src, m[1:], 1
		}
		q.Seq, q.Payload = sent[side], []byte(m)
		sent[side] += uint32(len(m))
		tr.add(q.Ethernet())
	}
}

func TestMeterFlows(t *testing.T) {
	const fin, syn, ack = 1, 2, 16
	var tr trace
	p := frametest.Between("10.0.0.1:40000", "10.0.0.2:80", frametest.TCP)
	seqs := []uint32{100, 200, 101, 201, 101, 1201}
	for i, flags := range []uint8{syn, syn | ack, ack, ack, fin | ack, fin | ack} {
		q := p
		q.Seq = seqs[i]
		if i%2 == 1 {
			q.Src, q.Dst = p.Dst, p.Src
		}
		if q.Flags = flags; i == 3 {
			q.Payload = make([]byte, 1000)
		}
		tr.add(q.Ethernet(42))
	}
	tr.exchange(frametest.Between("[2001:db8::1]:5000", "[2001:db8::2]:6000", frametest.UDP), "ping", "<pong")
	tr.exchange(frametest.Between("10.0.0.1:8", "10.0.0.2:0", frametest.ICMP), "echo")
	first := frametest.Between("10.0.0.3:1", "10.0.0.4:2", frametest.UDP)
	first.ID, first.Fragment, first.Payload = 7, 0x2000, make([]byte, 100)
	tr.add(first.Ethernet())
	later := first
	later.Fragment, later.Payload = 13, make([]byte, 50)
	tr.add(later.Ethernet())
	out, err := run(t, frametest.Pcap(1, tr.frames...))
	if err != nil {
		t.Fatal(err)
	}
	macs := `"src_mac":"02:00:00:00:00:01","dst_mac":"02:00:00:00:00:02",`
	for i, line := range []string{
		`"duration":5000000,"flow":1,"src_addr":"10.0.0.1","src_port":40000,"dst_addr":"10.0.0.2","dst_port":80,"proto":6,"vlan":42,` + macs +
			`"src_packets":3,"dst_packets":3,"src_bytes":180,"dst_bytes":1178,"dst_payload":1000,"src_flags":19,"dst_flags":19,"src_ttl":64,"dst_ttl":64,"rtt":2000000,"history":"ShAdFf","state":"SF","end":"fin"}`,
		`"duration":1000000,"flow":2,"src_addr":"2001:db8::1","src_port":5000,"dst_addr":"2001:db8::2","dst_port":6000,"proto":17,` + macs +
			`"src_packets":1,"dst_packets":1,"src_bytes":66,"dst_bytes":66,"src_payload":4,"dst_payload":4,"src_ttl":64,"dst_ttl":64,"history":"Dd","state":"SF","end":"end"}`,
		`"flow":3,"src_addr":"10.0.0.1","src_port":8,"dst_addr":"10.0.0.2","proto":1,"app":"icmp",` + macs +
			`"src_packets":1,"src_bytes":60,"src_payload":4,"src_ttl":64,"history":"D","state":"OTH","end":"end"}`,
		`"duration":1000000,"flow":4,"src_addr":"10.0.0.3","src_port":1,"dst_addr":"10.0.0.4","dst_port":2,"proto":17,` + macs +
			`"src_packets":2,"src_bytes":226,"src_payload":150,"src_ttl":64,"history":"D","state":"S0","end":"end"}`,
	} {
		found := false
		for _, got := range out.lines["flow"] {
			found = found || strings.Contains(got, line)
		}
		if !found {
			t.Errorf("flow %d missing\nwant %s\n got %s", i+1, line, strings.Join(out.lines["flow"], "\n     "))
		}
	}
}

func TestMeterDNS(t *testing.T) {
	const question = "\x03www\x07example\x00\x00\x01\x00\x01"
	query := "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + question
	response := "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00" + question + "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xc0\x00\x02\x01"
	var tr trace
	tr.exchange(frametest.Between("10.0.0.1:5000", "10.0.0.2:53", frametest.UDP), query, "<"+response)
	tr.exchange(frametest.Between("10.0.0.1:5001", "10.0.0.2:53", frametest.UDP), query, "rubbish")
	length := func(m string) string { return string([]byte{0, byte(len(m))}) + m }
	stream := length(query) + length(query[:3]+"\x00"+query[4:])
	tr.exchange(frametest.Between("10.0.0.1:5002", "10.0.0.2:53", frametest.TCP), stream[:1], stream[1:40], stream[40:], "<"+length(response))
	out, err := run(t, frametest.Pcap(1, tr.frames...))
	if err != nil {
		t.Fatal(err)
	}
	ends := func(flow, port, proto string) string {
		return `"flow":` + flow + `,"src_addr":"10.0.0.1","src_port":` + port + `,"dst_addr":"10.0.0.2","dst_port":53,"proto":` + proto + `,"id":4660,"name":"www.example","qtype":"A"`
	}
	answer := `,"rcode":"NOERROR","answers":["192.0.2.1"],"ttl":60,"response":true,"rd":true,"ra":true`
	out.want(t, "dns",
		ends("1", "5000", "17")+answer+`,"rtt":1000000}`,
		ends("2", "5001", "17")+`,"rd":true}`,
		ends("3", "5002", "6")+answer+`,"rtt":2000000}`,
	)
	if n := out.counters["meter.malformed_dns"]; n != 1 {
		t.Errorf("%d malformed messages, want 1", n)
	}
}

func TestMeterARPAndDrops(t *testing.T) {
	arp := func(op byte) []byte {
		b := make([]byte, 12, 60)
		b = append(b, 8, 6, 0, 1, 8, 0, 6, 4, 0, op, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1)
		return append(b, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2)
	}
	var tr trace
	tr.add(arp(1))
	tr.add(arp(1)[:30])
	tr.add([]byte("short"))
	tr.add(append(make([]byte, 12), 0x88, 0xb5))
	out, err := run(t, frametest.Pcap(1, tr.frames...))
	if err != nil {
		t.Fatal(err)
	}
	out.want(t, "arp", `"op":"request","sender_mac":"02:00:00:00:00:01","sender_addr":"10.0.0.1","target_addr":"10.0.0.2"}`)
	for name, want := range map[string]int64{
		"decode.arp": 2, "meter.malformed_arp": 1, "decode.drop_link_truncated": 1, "decode.drop_ethertype": 1,
	} {
		if got := out.counters[name]; got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
}

func TestMeterBadFiles(t *testing.T) {
	var tr trace
	tr.exchange(frametest.Between("10.0.0.1:1", "10.0.0.2:2", frametest.UDP), "one", "two")
	file := frametest.Pcap(1, tr.frames...)
	out, err := run(t, file[:len(file)-1])
	var format *capture.FormatError
	if !errors.As(err, &format) || len(out.lines["flow"]) != 1 {
		t.Errorf("truncated: %v, flows %q", err, out.lines["flow"])
	}
	_, err = run(t, frametest.Pcap(147, tr.frames...))
	if want := `reading capture "test.pcap": link type 147 is not supported`; err == nil || err.Error() != want {
		t.Errorf("link type: %v", err)
	}
	if _, err = run(t, frametest.Pcap(147)); err != nil {
		t.Errorf("no frames: %v", err)
	}
}

// A live source gives frames and then nothing, for ever.
type live struct {
	frames []frametest.Frame
	after  func() // called when nothing came
}

func (l *live) NextBatch(frames []capture.Frame) (int, error) {
	if len(l.frames) == 0 {
		l.after()
		return 0, nil
	}
	f := l.frames[0]
	l.frames = l.frames[1:]
	frames[0] = capture.Frame{Data: f.Data, Time: f.Time.UnixNano(), WireLen: uint32(len(f.Data)) + 4, LinkType: 1, VLANType: 0x8100, VLAN: 0xe007}
	return 1, nil
}

func (l *live) Stats() capture.Stats { return capture.Stats{Frames: 1, Dropped: 5} }
func (l *live) Name() string         { return "live" }
func (l *live) Close() error         { return nil }

// TestMeterLive turns the clock while nothing comes: the heart beats, the
// counters come at once and every ten seconds, and the flow ends when it is
// idle.
func TestMeterLive(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var tr trace
	tr.exchange(frametest.Between("10.0.0.1:1", "10.0.0.2:2", frametest.UDP), "one")
	var pipe bytes.Buffer
	beats, sizes := 0, []int{}
	src := &live{frames: tr.frames, after: func() {
		now = now.Add(250 * time.Millisecond)
		if sizes = append(sizes, pipe.Len()); len(sizes) == 4*65 {
			stop()
		}
	}}
	err := meter.Run(ctx, meter.Config{
		Source: src, Out: &pipe, Heartbeat: func() { beats++ }, Now: func() time.Time { return now },
	})
	if err != nil || beats < 65 {
		t.Errorf("%v, %d beats in 65 seconds", err, beats)
	}
	if sizes[0] == 0 || sizes[40] != sizes[0] || sizes[47] == sizes[40] {
		t.Errorf("batches were written at %d", sizes)
	}
	out := parse(t, &pipe)
	if len(out.lines["flow"]) != 1 || !strings.Contains(out.lines["flow"][0], `"end":"idle"`) || !strings.Contains(out.lines["flow"][0], `"vlan":7,`) {
		t.Errorf("flows %q", out.lines["flow"])
	}
	if got := out.counters["capture.drop_ring_full"]; got != 5 {
		t.Errorf("%d drops of the ring, want 5", got)
	}
}

func TestMeterOutputBreaks(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	src := &live{after: func() {}}
	err := meter.Run(context.Background(), meter.Config{Source: src, Out: w, MaxBatchAge: time.Nanosecond})
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("error %v", err)
	}
}

// TestMeterAllocations meters packets of known flows.
func TestMeterAllocations(t *testing.T) {
	frames := func(n int) []byte {
		var tr trace
		data := frametest.Packet{
			Src: netip.MustParseAddrPort("10.0.0.1:1"), Dst: netip.MustParseAddrPort("10.0.0.2:2"), Proto: frametest.UDP,
		}.Ethernet()
		for range n {
			tr.add(data)
		}
		return frametest.Pcap(1, tr.frames...)
	}
	cost := func(file []byte) float64 {
		return testing.AllocsPerRun(3, func() {
			src, err := capture.NewFile("memory", bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			meter.Run(context.Background(), meter.Config{Source: src, Out: io.Discard})
		})
	}
	if few, many := cost(frames(10)), cost(frames(20_000)); many > few+20 {
		t.Errorf("%v allocations for 20000 frames, %v for 10", many, few)
	}
}

// late is a live source that has frames left when the meter is asked to stop.
type late struct {
	live
	stop   context.CancelFunc
	frame  capture.Frame
	queued int
}

func (l *late) NextBatch(frames []capture.Frame) (int, error) {
	l.stop()
	if l.queued == 0 {
		return 0, nil
	}
	l.queued--
	frames[0] = l.frame
	return 1, nil
}

// A meter that is asked to stop counts the frames that its source has by then.
func TestMeterDrains(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	source := &late{stop: stop, queued: 5, frame: capture.Frame{Data: make([]byte, 60), WireLen: 60, LinkType: 1, Time: 1}}
	if err := meter.Run(ctx, meter.Config{Source: source, Out: io.Discard}); err != nil {
		t.Fatal(err)
	}
	if source.queued != 0 {
		t.Errorf("%d frames were left behind", source.queued)
	}
}
