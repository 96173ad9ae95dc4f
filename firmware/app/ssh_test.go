package app_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/app"
)

func sshString(s string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(s))), s...)
}

// sshPacket makes a packet with 4 bytes of padding.
func sshPacket(typ byte, parts ...[]byte) []byte {
	body := append([]byte{typ}, bytes.Join(parts, nil)...)
	b := binary.BigEndian.AppendUint32(nil, uint32(1+len(body)+4))
	return append(append(append(b, 4), body...), 0, 0, 0, 0)
}

func kexInit(kex, hostKey, cipher, mac string) []byte {
	parts := [][]byte{make([]byte, 16)}
	for _, list := range []string{kex, hostKey, cipher, cipher + "-back", mac, mac + "-back", "none", "zlib", "", ""} {
		parts = append(parts, sshString(list))
	}
	return sshPacket(20, append(parts, make([]byte, 5))...)
}

func TestSSH(t *testing.T) {
	key := append(sshString("ssh-ed25519"), sshString(strings.Repeat("k", 32))...)
	client := append([]byte("SSH-2.0-OpenSSH_10.0 x\r\n"), kexInit("a,b", "ssh-ed25519,ssh-rsa", "aes128-ctr", "hmac-sha2-256")...)
	client = append(client, sshPacket(21)...)
	server := append([]byte("hello\r\nSSH-1.99-dropbear\n"), kexInit("b", "ssh-ed25519", "aes128-ctr,aes256-ctr", "hmac-sha2-256")...)
	server = append(server, sshPacket(31, sshString(string(key)), sshString("f"), sshString("signature"))...)
	server = append(server, sshPacket(21)...)
	for _, size := range []int{10000, 9, 1} {
		h := new(app.SSH)
		for end, b := range [][]byte{server, client} {
			var wait []byte
			for len(b) > 0 {
				n := min(size, len(b))
				wait = append(wait, b[:n]...)
				b = b[n:]
				for len(wait) > 0 {
					used, err := h.Read(uint8(end), wait)
					if err != nil {
						t.Fatal(err)
					}
					if used == 0 {
						break
					}
					wait = wait[used:]
				}
			}
		}
		rec := h.Record()
		if !h.Done() || !h.Known() || h.Client != 1 || rec.Client != "OpenSSH_10.0 x" || rec.Server != "dropbear" || rec.Version != "1.99" ||
			rec.Kex != "b" || rec.HostKey != "ssh-ed25519" || rec.Cipher != "aes128-ctr" || rec.MAC != "hmac-sha2-256" || rec.Compression != "" {
			t.Errorf("got %+v", rec)
		}
		// md5 of "a,b;aes128-ctr;hmac-sha2-256;none", and of the server's
		// lists toward the client.
		if rec.HASSH != "713863e98f29686e6127bf2c5473f01d" || rec.HASSHServer != "444797adaffb76642c1b847fc67beda8" || len(rec.HostKeySHA256) != 43 {
			t.Errorf("got %+v", rec)
		}
	}
	for _, bad := range []string{"SSH-2.0-x\r\n\xff\xff\xff\xff\x00", strings.Repeat("x\n", 20), strings.Repeat("x", 300)} {
		h := new(app.SSH)
		used, err := h.Read(0, []byte(bad))
		for used > 0 && err == nil {
			bad = bad[used:]
			used, err = h.Read(0, []byte(bad))
		}
		if err == nil {
			t.Errorf("%.10q: no error", bad)
		}
	}
	if app.LooksLikeSSH([]byte("SSH-3.0-x\n")) || !app.LooksLikeSSH([]byte("SSH-1.5-x\n")) {
		t.Error("banners are not told apart")
	}
}

func FuzzSSH(f *testing.F) {
	f.Add([]byte("SSH-2.0-a\r\n"), kexInit("a", "b", "c", "d"))
	f.Add(append([]byte("SSH-2.0-a\r\n"), kexInit("a", "b", "c", "d")...), append([]byte("SSH-2.0-b\r\n"), sshPacket(31, sshString("\x00\x00\x00\x07ssh-rsa"))...))
	f.Fuzz(func(t *testing.T, client, server []byte) {
		h := new(app.SSH)
		for end, b := range [][]byte{client, server} {
			for {
				used, err := h.Read(uint8(end), b)
				if used == 0 || err != nil {
					break
				}
				b = b[used:]
			}
		}
		h.Record()
	})
}
