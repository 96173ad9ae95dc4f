package app

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/taproot-sensor/taproot/wire/record"
)

// Message numbers (RFC 4250, section 4.1.2; RFC 4419).
const (
	sshKexInit      = 20
	sshNewKeys      = 21
	sshKexReply     = 31 // of Diffie-Hellman and of elliptic curves
	sshGroupReply   = 33 // of group exchange
	maxSSHBanner    = 255
	maxSSHLines     = 16 // before the server's banner
	maxSSHPacket    = MaxStream
	maxSSHAlgorithm = 64 // bytes of a name (RFC 4251, section 6)
)

// LooksLikeSSH reports whether the first bytes of one side of a connection are
// an SSH banner.
func LooksLikeSSH(b []byte) bool {
	return len(b) >= 7 && string(b[:4]) == "SSH-" && (b[4] == '1' || b[4] == '2') && b[5] == '.'
}

// An SSH reads a connection up to its new keys.
type SSH struct {
	SSH    record.SSH
	Client uint8 // end that is the client; the caller's guess until Known

	sides [2]sshSide // by end
	known bool
}

// An sshSide is what one end has sent.
type sshSide struct {
	banner string
	lines  int
	lists  *sshLists
	done   bool
}

// The lists of a KEXINIT that say what will be used.
type sshLists struct {
	kex, hostKey, cipher, cipherBack, mac, macBack, compression, compressionBack string
}

var errBanner = errors.New("banner of another protocol")

// Started reports whether a banner was read.
func (h *SSH) Started() bool { return h.sides[0].banner != "" || h.sides[1].banner != "" }

// Held returns about how many bytes of memory h has.
func (h *SSH) Held() (held int) {
	for i := range h.sides {
		s := &h.sides[i]
		held += len(s.banner)
		if l := s.lists; l != nil {
			held += len(l.kex) + len(l.hostKey) + len(l.cipher) + len(l.cipherBack) + len(l.mac) + len(l.macBack) + len(l.compression) + len(l.compressionBack)
		}
	}
	return held
}

// Known reports whether it is known who the client is.
func (h *SSH) Known() bool { return h.known }

// Done reports whether there is nothing more to read.
func (h *SSH) Done() bool { return h.sides[0].done && h.sides[1].done }

// Read takes what an end has sent in order and returns how many bytes it used.
// The server is who shows a host key.
func (h *SSH) Read(end uint8, b []byte) (used int, err error) {
	s := &h.sides[end]
	if s.done {
		return len(b), nil
	}
	if s.banner == "" {
		return s.readBanner(b)
	}
	if !strings.HasPrefix(s.banner, "2.") && !strings.HasPrefix(s.banner, "1.99") {
		s.done = true
		return len(b), nil
	}
	r := newReader(b)
	size := r.uint32()
	pad := r.uint8()
	if !r.ok {
		return 0, nil
	}
	if size < 2 || size > maxSSHPacket || uint32(pad)+1 >= size {
		return 0, errBanner
	}
	if len(b) < 4+int(size) {
		return 0, nil
	}
	h.message(end, b[5:4+size-uint32(pad)])
	return 4 + int(size), nil
}

// readBanner reads the identification string (RFC 4253, section 4.2), which a
// server may precede with other lines.
func (s *sshSide) readBanner(b []byte) (int, error) {
	i := bytes.IndexByte(b, '\n')
	if i < 0 {
		if len(b) > maxSSHBanner {
			return 0, errBanner
		}
		return 0, nil
	}
	line := trimLine(b[:i])
	if rest, ok := bytes.CutPrefix(line, []byte("SSH-")); ok && len(line) <= maxSSHBanner {
		s.banner = string(rest)
		return i + 1, nil
	}
	if s.lines++; s.lines > maxSSHLines {
		return 0, errBanner
	}
	return i + 1, nil
}

// message takes the payload of a packet.
func (h *SSH) message(end uint8, b []byte) {
	s := &h.sides[end]
	switch b[0] {
	case sshKexInit:
		s.lists = kexInit(b[1:])
	case sshKexReply, sshGroupReply:
		// Of a group exchange message 31 is a group, which is no key.
		key := newReader(b[1:])
		if blob := key.bytes(int(min(key.uint32(), maxSSHPacket))); key.ok && looksLikeKey(blob) {
			h.known, h.Client = true, 1-end
			sum := sha256.Sum256(blob)
			h.SSH.HostKeySHA256 = base64.RawStdEncoding.EncodeToString(sum[:])
		}
	case sshNewKeys:
		s.done = true
	}
}

// looksLikeKey reports whether blob begins with the name of an algorithm (RFC
// 4253, section 6.6).
func looksLikeKey(blob []byte) bool {
	r := newReader(blob)
	name := r.bytes(int(min(r.uint32(), maxSSHAlgorithm+1)))
	return r.ok && len(name) > 3 && len(name) <= maxSSHAlgorithm && bytes.IndexFunc(name, func(c rune) bool { return c <= ' ' || c > '~' }) < 0
}

// kexInit reads what a side offers (RFC 4253, section 7.1), or nil.
func kexInit(b []byte) *sshLists {
	r := newReader(b)
	r.bytes(16) // cookie
	var l sshLists
	for _, to := range []*string{&l.kex, &l.hostKey, &l.cipher, &l.cipherBack, &l.mac, &l.macBack, &l.compression, &l.compressionBack} {
		*to = string(r.bytes(int(min(r.uint32(), maxSSHPacket))))
	}
	if !r.ok {
		return nil
	}
	return &l
}

// Record returns what was read of the connection.
func (h *SSH) Record() *record.SSH {
	rec := &h.SSH
	client, server := &h.sides[h.Client], &h.sides[1-h.Client]
	var version string
	version, rec.Client, _ = strings.Cut(client.banner, "-")
	if server.banner != "" {
		version, rec.Server, _ = strings.Cut(server.banner, "-")
	}
	rec.Version = version
	c, s := client.lists, server.lists
	if c != nil { // github.com/salesforce/hassh
		rec.HASSH = hassh(c.kex, c.cipher, c.mac, c.compression)
	}
	if s != nil {
		rec.HASSHServer = hassh(s.kex, s.cipherBack, s.macBack, s.compressionBack)
	}
	if c == nil || s == nil {
		return rec
	}
	rec.Kex, rec.HostKey = agreed(c.kex, s.kex), agreed(c.hostKey, s.hostKey)
	rec.Cipher, rec.Compression = agreed(c.cipher, s.cipher), agreed(c.compression, s.compression)
	if rec.Compression == "none" {
		rec.Compression = ""
	}
	if !strings.Contains(rec.Cipher, "gcm") && !strings.Contains(rec.Cipher, "poly1305") {
		rec.MAC = agreed(c.mac, s.mac)
	}
	return rec
}

func hassh(lists ...string) string {
	sum := md5.Sum([]byte(strings.Join(lists, ";")))
	return hex.EncodeToString(sum[:])
}

// agreed returns the first name of the client's list that the server has too.
// Either may have thousands, so they are not compared each with each.
func agreed(client, server string) string {
	offered := make(map[string]bool)
	for name := range strings.SplitSeq(server, ",") {
		offered[name] = true
	}
	for name := range strings.SplitSeq(client, ",") {
		if offered[name] {
			return name
		}
	}
	return ""
}
