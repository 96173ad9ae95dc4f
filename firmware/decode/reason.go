package decode

// A Reason says why a frame was dropped, or what was odd about one that was
// not. Its name is what sensor records call it.
type Reason uint8

// Frames with these are dropped.
const (
	OK                 Reason = iota
	LinkType                  // of no supported link type
	LinkTruncated             // ends inside its link header
	LLC                       // IEEE 802.2 without an EtherType: STP, IS-IS, …
	EtherType                 // carries neither IP, ARP, VLAN nor MPLS
	VLANDepth                 // more VLAN tags than maxTags
	MPLSDepth                 // more MPLS labels than maxLabels
	MPLSPayload               // labels in front of something else than IP
	IPVersion                 // version field does not fit
	IPv4Truncated             // ends inside the IPv4 header
	IPv4Header                // header length or total length below the minimum
	IPv6Truncated             // ends inside the IPv6 header
	ExtensionTruncated        // ends inside an IPv6 extension header
	ExtensionDepth            // more extension headers than maxExtensions
	PPPProtocol               // PPP with something else than IP: its own negotiations
	PPPoEHeader               // version, code or length of PPPoE out of range
	WLANControl               // Wi-Fi frame that carries no data
	WLANProtected             // Wi-Fi frame that is encrypted
)

// Frames with these are metered all the same.
const (
	IPLength     Reason = iota + WLANProtected + 1 // packet claims more bytes than the frame had
	TCPTruncated                                   // TCP header not wholly captured
	TCPHeader                                      // data offset out of range
	UDPTruncated
	UDPLength // length field out of range
	ICMPTruncated
	PortsTruncated // SCTP, DCCP or UDP-Lite without its ports
	TunnelHeader   // header of a tunnel that makes no sense
	TunnelPayload  // tunnel with something that cannot be read
	TunnelDepth    // more tunnels in tunnels than are followed

	NumReasons
)

var names = [NumReasons]string{
	"ok", "link_type", "link_truncated", "llc", "ethertype", "vlan_depth", "mpls_depth", "mpls_payload",
	"ip_version", "ipv4_truncated", "ipv4_header", "ipv6_truncated", "extension_truncated", "extension_depth",
	"ppp_protocol", "pppoe_header", "wlan_control", "wlan_protected",
	"ip_length", "tcp_truncated", "tcp_header", "udp_truncated", "udp_length", "icmp_truncated", "ports_truncated",
	"tunnel_header", "tunnel_payload", "tunnel_depth",
}

func (r Reason) String() string { return names[r] }

// Drops reports whether frames with r are dropped.
func (r Reason) Drops() bool { return r != OK && r <= WLANProtected }
