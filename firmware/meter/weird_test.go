package meter_test

import (
	"testing"

	"github.com/taproot-sensor/taproot/firmware/frametest"
)

func TestMeterWeird(t *testing.T) {
	const fin, syn, push, ack, urgent = 1, 2, 8, 16, 32
	var tr trace
	p := frametest.Between("10.0.0.1:1000", "10.0.0.2:80", frametest.TCP)
	for range 200 { // much of the same is counted
		p.Flags = syn | fin
		tr.add(p.Ethernet())
	}
	p.Flags = fin | push | urgent
	tr.add(p.Ethernet())
	p.Flags = ack
	tr.add(p.Ethernet())
	tr.exchange(frametest.Between("10.0.0.3:7", "10.0.0.3:7", frametest.UDP), "land")
	tr.exchange(frametest.Between("224.0.0.1:7", "10.0.0.3:7", frametest.UDP), "group")
	tr.exchange(frametest.Between("10.0.0.4:5000", "10.0.0.5:53", frametest.UDP), "no question")
	out, err := run(t, frametest.Pcap(1, tr.frames...))
	if err != nil {
		t.Fatal(err)
	}
	out.want(t, "weird",
		`"flow":1,"src_addr":"10.0.0.1","src_port":1000,"dst_addr":"10.0.0.2","dst_port":80,"proto":6,"name":"syn_fin","count":1}`,
		`"flow":1,"src_addr":"10.0.0.1","src_port":1000,"dst_addr":"10.0.0.2","dst_port":80,"proto":6,"name":"syn_fin","count":199}`,
		`"flow":1,"src_addr":"10.0.0.1","src_port":1000,"dst_addr":"10.0.0.2","dst_port":80,"proto":6,"name":"xmas_flags","count":1}`,
		`"flow":2,"src_addr":"10.0.0.3","src_port":7,"dst_addr":"10.0.0.3","dst_port":7,"proto":17,"name":"same_ends","count":1}`,
		`"flow":3,"src_addr":"224.0.0.1","src_port":7,"dst_addr":"10.0.0.3","dst_port":7,"proto":17,"name":"group_source","count":1}`,
		`"flow":4,"src_addr":"10.0.0.4","src_port":5000,"dst_addr":"10.0.0.5","dst_port":53,"proto":17,"name":"malformed","detail":"dns","count":1}`,
	)
}
