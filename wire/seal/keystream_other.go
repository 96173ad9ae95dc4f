//go:build !amd64 || purego

package seal

func keyStream(stream *[maxStream]byte, quads int, nonce *[8]byte, key *[32]byte) {
	keyStreamGeneric(stream, quads, nonce, key)
}
