package release

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxDepth bounds how deep objects and arrays of metadata lie in each other.
// Ours has eight.
const maxDepth = 32

var errDepth = fmt.Errorf("more than %d objects in each other", maxDepth)

// parseJSON reads JSON as metadata has it: objects as map[string]any, arrays as
// []any, strings, int64, bool and nil. What two readers could understand
// differently is an error: a name that comes twice in an object, a number that
// is no integer or is written in an unusual way, text that is not UTF-8, and
// anything behind the value.
func parseJSON(data []byte) (any, error) {
	if len(data) > MaxMetadata {
		return nil, fmt.Errorf("%d bytes, want at most %d", len(data), MaxMetadata)
	}
	if !utf8.Valid(data) {
		return nil, errors.New("text is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	v, err := parseValue(d, maxDepth)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something is behind the end")
	}
	return v, nil
}

func parseValue(d *json.Decoder, depth int) (any, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Number:
		n, err := strconv.ParseInt(token.String(), 10, 64)
		if err != nil || strconv.FormatInt(n, 10) != token.String() {
			return nil, fmt.Errorf("number %.40q is no integer", token)
		}
		return n, nil
	case json.Delim:
		if depth == 0 {
			return nil, errDepth
		}
		if token == '[' {
			return parseArray(d, depth-1)
		}
		return parseObject(d, depth-1)
	}
	return token, nil // a string, bool or nil
}

func parseArray(d *json.Decoder, depth int) (any, error) {
	list := []any{}
	for d.More() {
		v, err := parseValue(d, depth)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := d.Token() // the bracket
	return list, err
}

func parseObject(d *json.Decoder, depth int) (any, error) {
	object := map[string]any{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		name := token.(string) // the decoder takes nothing else as a name
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("name %.80q comes twice", name)
		}
		if object[name], err = parseValue(d, depth); err != nil {
			return nil, err
		}
	}
	_, err := d.Token() // the brace
	return object, err
}

// appendCanonical appends what parseJSON returned as OLPC's canonical JSON has
// it (http://wiki.laptop.org/go/Canonical_JSON), which is what is signed: names
// sorted, no space, and no character of a string escaped but quote and
// backslash.
func appendCanonical(b []byte, v any) []byte {
	switch v := v.(type) {
	case map[string]any:
		b = append(b, '{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendCanonical(b, name), ':')
			b = appendCanonical(b, v[name])
		}
		return append(b, '}')
	case []any:
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendCanonical(b, item)
		}
		return append(b, ']')
	case string:
		b = append(b, '"')
		for _, c := range []byte(v) {
			if c == '"' || c == '\\' {
				b = append(b, '\\')
			}
			b = append(b, c)
		}
		return append(b, '"')
	case int64:
		return strconv.AppendInt(b, v, 10)
	case bool:
		return strconv.AppendBool(b, v)
	}
	return append(b, "null"...)
}
