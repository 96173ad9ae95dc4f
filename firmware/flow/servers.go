package flow

// isServer reports whether a port is one that servers listen on and clients do
// not use: those of protocols that package app knows, and a few more. It tells
// who the client is of flows whose beginning was not seen.
func isServer(port uint16) bool {
	switch port {
	case 21, 22, 23, 25, 49, 53, 67, 68, 69, 80, 81, 88, 102, 110, 111, 123, 135, 137, 138, 139, 143, 161, 162, 179, 389, 443, 445, 465, 500,
		502, 514, 546, 547, 554, 563, 585, 587, 593, 614, 631, 636, 646, 853, 989, 990, 992, 993, 995, 1080, 1194, 1433, 1434, 1521, 1645,
		1646, 1723, 1812, 1813, 1883, 2049, 2123, 2152, 2404, 3128, 3268, 3306, 3389, 3478, 3784, 3868, 4500, 4789, 4840, 5060, 5061, 5222,
		5223, 5269, 5353, 5355, 5432, 5671, 5672, 5683, 5684, 5900, 5985, 5986, 6081, 6379, 6653, 6667, 8000, 8080, 8443, 8883, 8888, 9092,
		9100, 9200, 11211, 20000, 27017, 44818, 47808, 51820:
		return true
	}
	return false
}

// fromServer reports whether the first packet of a flow is from the side that
// answers, by its ports. Whoever sends a SYN alone is the client, whatever
// they are. Of two ports of servers TCP's lower one is the server's, unless
// the packet is a SYN with ACK.
func (p *Packet) fromServer() bool {
	src, dst := p.Key.Port(p.From), p.Key.Port(1-p.From)
	switch p.Key.Proto() {
	case protoUDP:
		return isServer(src) && !isServer(dst)
	case protoTCP:
		if p.Flags&(flagSYN|flagACK) == flagSYN || !isServer(src) {
			return false
		}
		return !isServer(dst) || p.Flags&flagSYN == 0 && src < dst
	}
	return false
}
