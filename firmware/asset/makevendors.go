//go:build ignore

// Makevendors writes vendors.zst from oui.csv of Debian's package ieee-data,
// IEEE's public listing of who has which 24-bit prefix of hardware addresses:
//
//	go run makevendors.go /usr/share/ieee-data/oui.csv
package main

import (
	"encoding/binary"
	"encoding/csv"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// forms are words of a company's legal form, which say nothing.
var forms = regexp.MustCompile(`(?i)[ ,.]+(inc|incorporated|co|corp|corporation|company|ltd|limited|llc|gmbh|ag|kg|sa|s\.a|srl|s\.r\.l|spa|s\.p\.a|ab|as|a/s|bv|b\.v|oy|pty|pte|plc|kk|k\.k|sas|technologies|technology|international)?[.,]*$`)

func short(name string) string {
	name = strings.Join(strings.Fields(name), " ")
	for {
		cut := forms.ReplaceAllString(name, "")
		if cut == name || cut == "" {
			return name
		}
		name = cut
	}
}

func run(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return err
	}
	vendors := make(map[uint32]string)
	var names []string
	for _, row := range rows[1:] {
		prefix, err := strconv.ParseUint(row[1], 16, 24)
		if err != nil {
			return err
		}
		if name := short(row[2]); name != "IEEE Registration Authority" && name != "Private" {
			vendors[uint32(prefix)] = name
			names = append(names, name)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	raw := append([]byte(strings.Join(names, "\n")), 0)
	prefixes := make([]uint32, 0, len(vendors))
	for p := range vendors {
		prefixes = append(prefixes, p)
	}
	slices.Sort(prefixes)
	var last uint32
	for _, p := range prefixes {
		raw = binary.AppendUvarint(raw, uint64(p-last))
		last = p
	}
	for _, p := range prefixes {
		i, _ := slices.BinarySearch(names, vendors[p])
		raw = binary.LittleEndian.AppendUint16(raw, uint16(i))
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		return err
	}
	packed := enc.EncodeAll(raw, nil)
	fmt.Printf("%d prefixes of %d vendors, %d bytes\n", len(prefixes), len(names), len(packed))
	return os.WriteFile("vendors.zst", packed, 0o644)
}
