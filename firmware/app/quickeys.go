package app

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
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
	block, err := aes.NewCipher(expandLabel(secret, prefix+"key", 16))
	if err != nil {
		panic(err) // the size is right
	}
	head, err := aes.NewCipher(expandLabel(secret, prefix+"hp", 16))
	if err != nil {
		panic(err)
	}
	seal, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return &quicKeys{seal: seal, iv: expandLabel(secret, prefix+"iv", 12), head: head}
}

// expandLabel is HKDF-Expand-Label without a context (RFC 8446, section 7.1).
func expandLabel(secret []byte, label string, size int) []byte {
	info := append([]byte{0, byte(size), byte(6 + len(label))}, "tls13 "+label...)
	out, err := hkdf.Expand(sha256.New, secret, string(append(info, 0)), size)
	if err != nil {
		panic(err) // the size is right
	}
	return out
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
