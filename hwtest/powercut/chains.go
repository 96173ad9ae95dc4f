package powercut

import "math/rand/v2"

// Chains returns the five boot chains.
func Chains() []*Chain {
	return []*Chain{
		uefiChain("uefi-x86", `\EFI\BOOT\BOOTX64.EFI`),
		biosChain(),
		uefiChain("uefi-arm64", `\EFI\BOOT\BOOTAA64.EFI`),
		ubootChain(),
		trybootChain(),
	}
}

// payloadSize is a kernel of the models: most of a slot, in whole sectors.
const payloadSize = modelSlot - 64<<10

// payload returns what stands for the kernel of a system: bytes of its own
// behind the mark that its loader looks for.
func payload(name, mark string) []byte {
	var seed [32]byte
	copy(seed[:], name)
	b := make([]byte, payloadSize)
	rand.NewChaCha8(seed).Read(b)
	copy(b, mark)
	return b
}
