package decode

import "encoding/binary"

// Bits of the frame control field of Wi-Fi (IEEE 802.11-2020, section 9.2.4.1).
const (
	wlanTypeMask  = 0x0c
	wlanData      = 0x08
	wlanNoData    = 0x40 // of the subtype: null frames
	wlanQoS       = 0x80
	wlanToDS      = 0x01
	wlanFromDS    = 0x02
	wlanProtected = 0x40
	wlanOrder     = 0x80

	wlanHeader = 24
	wlanAMSDU  = 0x80 // in the QoS field: several packets in one frame
)

// radioTap passes over a RadioTap header (radiotap.org), whose length stands
// in its second word in little-endian order.
func (f *frame) radioTap() Reason {
	at := radioTapLen(f.data)
	if at == 0 {
		return LinkTruncated
	}
	return f.wlan(at)
}

func radioTapLen(data []byte) int {
	if len(data) < 8 {
		return 0
	}
	size := int(binary.LittleEndian.Uint16(data[2:]))
	if size < 8 || size > len(data) {
		return 0
	}
	return size
}

// wlan reads the header of a Wi-Fi data frame (IEEE 802.11-2020, section
// 9.3.2), behind which stands an LLC header.
func (f *frame) wlan(at int) Reason {
	if len(f.data) < at+wlanHeader {
		return LinkTruncated
	}
	kind, flags := f.data[at], f.data[at+1]
	if kind&wlanTypeMask != wlanData || kind&wlanNoData != 0 {
		return WLANControl
	}
	if flags&wlanProtected != 0 {
		return WLANProtected
	}
	end := at + wlanHeader
	if flags&(wlanToDS|wlanFromDS) == wlanToDS|wlanFromDS {
		end += 6 // the fourth address
	}
	if kind&wlanQoS != 0 {
		if len(f.data) < end+2 {
			return LinkTruncated
		}
		if f.data[end]&wlanAMSDU != 0 {
			return WLANControl
		}
		end += 2
		if flags&wlanOrder != 0 {
			end += 4 // HT control
		}
	}
	return f.ether(0, end)
}

// wlanMACs returns the addresses of the two stations, whoever relays between
// them (IEEE 802.11-2020, table 9-30).
func wlanMACs(linkType uint32, data []byte) (src, dst [6]byte) {
	if linkType == linkRadioTap {
		data = data[radioTapLen(data):]
	}
	if len(data) < wlanHeader {
		return src, dst
	}
	first, second, third := [6]byte(data[4:]), [6]byte(data[10:]), [6]byte(data[16:])
	switch data[1] & (wlanToDS | wlanFromDS) {
	case wlanToDS:
		return second, third
	case wlanFromDS:
		return third, first
	case wlanToDS | wlanFromDS:
		if len(data) < wlanHeader+6 {
			return src, dst
		}
		return [6]byte(data[24:]), third
	}
	return second, first
}
