package app

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"slices"
)

// quicKeys open the Initial packets of one side.
type quicKeys struct {
	seal cipher.AEAD
	iv   []byte
	head cipher.Block // of header protection
}

func newQUICKeys(version uint32, secret []byte) *quicKeys {
	prefix := "quic "
	if version == quic2 {
		prefix = "quicv2 "
	}
	mac := hmac.New(sha256.New, secret)
	block, err := aes.NewCipher(expandLabel(mac, prefix+"key", 16))
	if err != nil {
		panic(err) // the size is right
	}
	head, err := aes.NewCipher(expandLabel(mac, prefix+"hp", 16))
	if err != nil {
		panic(err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return &quicKeys{seal: seal, iv: expandLabel(mac, prefix+"iv", 12), head: head}
}

// expandLabel is HKDF-Expand-Label without a context (RFC 8446, section 7.1),
// of at most the 32 bytes that one round of HKDF-Expand with HMAC-SHA-256 and
// the secret for its key makes (RFC 5869, section 2.3). The hash of the secret
// is made once for all labels.
func expandLabel(mac hash.Hash, label string, size int) []byte {
	mac.Reset()
	info := append(make([]byte, 0, 64), 0, byte(size), byte(6+len(label)))
	info = append(append(info, "tls13 "...), label...)
	mac.Write(append(info, 0, 1)) // no context, first round
	return mac.Sum(nil)[:size]
}

// open removes the protection of a packet whose number stands at an offset
// (RFC 9001, sections 5.3 and 5.4).
func (k *quicKeys) open(packet []byte, at int) ([]byte, bool) {
	if len(packet) < at+4+aes.BlockSize {
		return nil, false
	}
	var mask [aes.BlockSize]byte
	k.head.Encrypt(mask[:], packet[at+4:at+4+aes.BlockSize])
	first := packet[0] ^ mask[0]&0x0f
	size := int(first&3) + 1
	head := append(make([]byte, 0, at+size), packet[:at+size]...)
	head[0] = first
	nonce := slices.Clone(k.iv)
	for i := range size {
		head[at+i] ^= mask[1+i]
		nonce[len(nonce)-size+i] ^= head[at+i]
	}
	plain, err := k.seal.Open(nil, nonce, packet[at+size:], head)
	return plain, err == nil
}
