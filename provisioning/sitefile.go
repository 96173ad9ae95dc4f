package provisioning

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/taproot-sensor/taproot/internal/bpf"
	"github.com/taproot-sensor/taproot/internal/durable"
	"github.com/taproot-sensor/taproot/wire/record"
	"github.com/taproot-sensor/taproot/wire/site"
)

// setting is one key of the site file.
type setting struct {
	key  string
	doc  string
	hint string // what to do when it is missing; empty where it may be
	like string // an example of one that may be missing
	set  func(*site.Site, any) error
	get  func(*site.Site) any
}

// settings lists the keys of a site file in the order they are written.
var settings = []setting{
	{
		key:  "name",
		doc:  "The site's name, for people: 1 to 64 bytes.",
		hint: `add one, such as name = "home"`,
		set: func(s *site.Site, v any) (err error) {
			s.Name, err = text(v)
			if err == nil && (s.Name == "" || len(s.Name) > 64) {
				err = fmt.Errorf("%d bytes, want 1 to 64", len(s.Name))
			}
			return err
		},
		get: func(s *site.Site) any { return s.Name },
	},
	{
		key:  "collectors",
		doc:  "Where sensors reach the collector, up to 8, the first that answers is used:\n# \"host:port\" (UDP), \"dtls://host:port\" or \"wss://host[:port]\".",
		hint: `add where sensors reach the collector, such as collectors = ["192.0.2.1:7755"]`,
		set:  setCollectors,
		get:  func(s *site.Site) any { return s.Collectors },
	},
	keySetting("box", "X25519 public key that a sensor's first words are sealed to.", func(s *site.Site) *site.Key { return &s.Box }),
	keySetting("identity", "Ed25519 public key that signs for the collector.", func(s *site.Site) *site.Key { return &s.Identity }),
	keySetting("next", "SHA-256 of the box key that will follow: with it the key can be changed without new images.", func(s *site.Site) *site.Key { return &s.Next }),
	optional(keySetting("ca", "SHA-256 of the public key of the site's certificate authority, for dtls:// and wss://.", func(s *site.Site) *site.Key { return &s.CA }), `"64 hex digits, which the collector puts here"`),
	{
		key:  "proxy",
		doc:  "HTTP proxy that wss:// is dialled through.",
		like: `"http://192.0.2.3:3128"`,
		set: func(s *site.Site, v any) (err error) {
			if s.Proxy, err = text(v); err == nil {
				err = site.CheckProxy(s.Proxy)
			}
			return err
		},
		get: func(s *site.Site) any { return s.Proxy },
	},
	{
		key:  "kinds",
		doc:  "Kinds of records that sensors send. \"default\" is all but layer, which is one record per header.",
		like: `["flow", "dns", "tls", "asset", "sensor"]`,
		set: func(s *site.Site, v any) (err error) {
			if s.Kinds, err = texts(v); err == nil {
				_, err = record.ParseKinds(s.Kinds)
			}
			return err
		},
		get: func(s *site.Site) any { return s.Kinds },
	},
	{
		key:  "filter",
		doc:  "Which frames sensors look at, in tcpdump's language; all others are not even counted.",
		like: `"not (host 192.0.2.7 and tcp port 9102)"`,
		set: func(s *site.Site, v any) (err error) {
			if s.Filter, err = text(v); err == nil {
				s.Filter = strings.TrimSpace(s.Filter)
				s.Program, err = bpf.Compile(s.Filter)
			}
			return err
		},
		get: func(s *site.Site) any { return s.Filter },
	},
	{
		key: "install",
		doc: "What an ISO of this site does beside running: \"ask\" on its console whether to install, or \"unattended\", which\n# erases and installs on the machine's only fixed disk without asking.",
		set: func(s *site.Site, v any) (err error) {
			switch s.Install, err = text(v); {
			case err == nil && s.Install == installAsk:
				s.Install = ""
			case err == nil && s.Install != site.InstallUnattended:
				err = fmt.Errorf("%q, want %q or %q", s.Install, installAsk, site.InstallUnattended)
			}
			return err
		},
		get: func(s *site.Site) any { return cmp.Or(s.Install, installAsk) },
	},
	{
		key: "live",
		doc: "How sensors that run from RAM are kept: \"updated\" in RAM by releases, or \"locked\": without Secure Boot their\n# kernel then protects itself from root, and starts no other.",
		set: func(s *site.Site, v any) (err error) {
			switch s.Live, err = text(v); {
			case err == nil && s.Live == liveUpdated:
				s.Live = ""
			case err == nil && s.Live != site.LiveLocked:
				err = fmt.Errorf("%q, want %q or %q", s.Live, liveUpdated, site.LiveLocked)
			}
			return err
		},
		get: func(s *site.Site) any { return cmp.Or(s.Live, liveUpdated) },
	},
}

// missing are the values, as JSON, of settings that are not given.
var missing = []string{"null", "[]", `""`, `"` + site.Key{}.String() + `"`}

// optional makes a setting one that may be missing.
func optional(s setting, like string) setting {
	s.hint, s.like = "", like
	return s
}

// installAsk and liveUpdated are the words of a site file for what an image says
// nothing about.
const (
	installAsk  = "ask"
	liveUpdated = "updated"
)

func keySetting(key, doc string, of func(*site.Site) *site.Key) setting {
	return setting{
		key:  key,
		doc:  doc,
		hint: `"taproot keys" on the collector prints it`,
		set: func(s *site.Site, v any) error {
			digits, err := text(v)
			switch {
			case err != nil:
				return err
			case strings.HasPrefix(digits, secretPrefix):
				return errors.New("this is a private key; take it out, and put the public half here, which \"taproot keys\" prints")
			case len(digits) == 128:
				return errors.New("128 hex digits are a private key; put the public half here, which \"taproot keys\" prints")
			}
			k := of(s)
			if err := k.UnmarshalText([]byte(digits)); err != nil {
				return fmt.Errorf("%w; \"taproot keys\" on the collector prints it", err)
			}
			if *k == (site.Key{}) {
				return errors.New("is all zero; \"taproot keys\" on the collector prints the real one")
			}
			return nil
		},
		get: func(s *site.Site) any { return of(s).String() },
	}
}

func text(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", errors.New("want a text in quotes")
	}
	return s, nil
}

func texts(v any) (out []string, err error) {
	list, ok := v.([]any)
	if !ok {
		return nil, errors.New("want a list of texts in quotes")
	}
	for _, v := range list {
		s, err := text(v)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func setCollectors(s *site.Site, v any) error {
	list, ok := v.([]any)
	if !ok {
		return errors.New(`want a list, such as ["192.0.2.1:7755"]`)
	}
	if len(list) == 0 || len(list) > 8 {
		return fmt.Errorf("%d addresses, want 1 to 8", len(list))
	}
	for _, v := range list {
		addr, err := text(v)
		if err != nil {
			return err
		}
		if _, err := site.ParseAddress(addr); err != nil {
			return err
		}
		s.Collectors = append(s.Collectors, addr)
	}
	return nil
}

// LoadSite reads a site file. It is strict: a key that is missing, unknown or
// unusable is an error that names file, line and key, and says what to do.
func LoadSite(path string) (site.Site, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return site.Site{}, fmt.Errorf("reading site file: %w", err)
	}
	s, err := parseSite(data)
	if err != nil {
		return site.Site{}, fmt.Errorf("reading site file %s: %w", path, err)
	}
	return s, nil
}

func parseSite(data []byte) (s site.Site, err error) {
	var values map[string]any
	if err := toml.Unmarshal(data, &values); err != nil {
		var bad toml.ParseError
		if errors.As(err, &bad) {
			return s, fmt.Errorf("line %d: %s", bad.Position.Line, bad.Message)
		}
		return s, err
	}
	for _, set := range settings {
		v, ok := values[set.key]
		if !ok && set.hint == "" {
			continue
		}
		if !ok {
			return s, fmt.Errorf("key %q is missing: %s", set.key, set.hint)
		}
		delete(values, set.key)
		if err := set.set(&s, v); err != nil {
			return s, fmt.Errorf("%skey %q: %w", lineOf(data, set.key), set.key, err)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		return s, fmt.Errorf("%sunknown key %q; the keys are %s", lineOf(data, key), key, keyNames())
	}
	return s, s.Check()
}

// lineOf says where key stands. The decoder has positions for errors of syntax
// only; in a flat file the key begins its line.
func lineOf(data []byte, key string) string {
	at := regexp.MustCompile(`(?m)^\s*\[*\s*["']?` + regexp.QuoteMeta(key) + `\b`).FindIndex(data)
	if at == nil {
		return ""
	}
	return fmt.Sprintf("line %d: ", 1+bytes.Count(data[:at[1]], []byte("\n")))
}

func keyNames() string {
	var names []string
	for _, set := range settings {
		names = append(names, set.key)
	}
	return strings.Join(names, ", ")
}

// WriteSite writes a site file that explains its keys.
func WriteSite(path string, s site.Site) error {
	data, err := appendSite(s)
	if err == nil {
		err = durable.WriteFile(path, data, 0o644)
	}
	if err != nil {
		return fmt.Errorf("writing site file %s: %w", path, err)
	}
	return nil
}

func appendSite(s site.Site) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("# What a sensor knows of its site. All of it is public; the private halves are\n# in the collector's keys directory and belong nowhere else.\n")
	for _, set := range settings {
		value, err := json.Marshal(set.get(&s)) // JSON's texts and lists are TOML's
		if err != nil {
			return nil, err
		}
		if set.hint == "" && slices.Contains(missing, string(value)) {
			fmt.Fprintf(&b, "\n# %s\n# %s = %s\n", set.doc, set.key, set.like)
			continue
		}
		fmt.Fprintf(&b, "\n# %s\n%s = %s\n", set.doc, set.key, value)
	}
	if _, err := parseSite(b.Bytes()); err != nil { // what LoadSite would refuse is not written
		return nil, err
	}
	return b.Bytes(), nil
}
