// Package libpcap captures through libpcap, and compiles BPF filter text into
// the instructions that capture.RingOptions.Filter takes.
//
// It is for people's machines: systems without TPACKET_V3, and the bench where
// filters are written. It needs cgo and libpcap, so it is empty unless it is
// built with the tag pcap; no sensor and no collector image is
// (docs/adr/0040-libpcap-behind-a-tag.md).
package libpcap
