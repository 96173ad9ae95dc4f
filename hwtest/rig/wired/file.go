package wired

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// A file is the text of a rig's file while it is read: every key that is asked
// for is taken out, and what is left at the end is unknown.
type file struct {
	lines  []string
	values map[string]any
	errs   []error
}

func newFile(text []byte) (*file, error) {
	f := &file{lines: strings.Split(string(text), "\n")}
	var syntax toml.ParseError
	if _, err := toml.Decode(string(text), &f.values); errors.As(err, &syntax) {
		return nil, fmt.Errorf("line %d: %s", syntax.Position.Line, syntax.Message)
	} else if err != nil {
		return nil, err
	}
	return f, nil
}

func (f *file) has(name string) bool { _, ok := f.values[name]; return ok }

// A table is one [name] of a file, or what is before the first.
type table struct {
	f      *file
	name   string
	values map[string]any
}

func (f *file) table(name string) *table {
	if name == "" {
		return &table{f: f, values: f.values}
	}
	values, ok := f.values[name].(map[string]any)
	if f.has(name) && !ok {
		f.errs = append(f.errs, fmt.Errorf("line %d: %s: want a table, [%s]", f.line("", name), name, name))
	}
	delete(f.values, name)
	t := &table{f: f, name: name, values: values}
	f.values["["+name+"]"] = t // no key of TOML without quotes
	return t
}

// finish returns all that is wrong with the file.
func (f *file) finish() error {
	unknown := func(t *table, values map[string]any) {
		for key, v := range values {
			if _, ok := v.(*table); !ok {
				t.fail(key, errors.New("unknown key; docs/rig.md has them all"))
			}
		}
	}
	unknown(&table{f: f}, f.values)
	for _, v := range f.values {
		if t, ok := v.(*table); ok {
			unknown(t, t.values)
		}
	}
	slices.SortFunc(f.errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(f.errs...)
}

// line returns the number of the line on which a key, or a table, is; 0 if it
// is not there.
func (f *file) line(name, key string) int {
	in := ""
	for i, l := range f.lines {
		l = strings.TrimSpace(l)
		if strings.HasPrefix(l, "[") {
			in = strings.TrimSpace(strings.Trim(strings.SplitN(l, "#", 2)[0], "[] \t"))
			if key == "" && in == name || name == "" && in == key {
				return i + 1
			}
			continue
		}
		before, _, ok := strings.Cut(l, "=")
		if ok && in == name && strings.Trim(strings.TrimSpace(before), `"'`) == key {
			return i + 1
		}
	}
	return 0
}

// fail notes that a key is unusable.
func (t *table) fail(key string, err error) {
	where := key
	if t.name != "" {
		where = t.name + "." + key
	}
	line := t.f.line(t.name, key)
	if line == 0 {
		line = t.f.line(t.name, "")
	}
	if line > 0 {
		err = fmt.Errorf("line %d: %s: %w", line, where, err)
	} else {
		err = fmt.Errorf("%s: %w", where, err)
	}
	t.f.errs = append(t.f.errs, err)
}

// take returns the value of a key, if it is there and of type T.
func take[T any](t *table, key, want string) (v T, ok bool) {
	raw, is := t.values[key]
	if !is {
		return v, false
	}
	delete(t.values, key)
	if v, ok = raw.(T); !ok {
		t.fail(key, fmt.Errorf("want %s", want))
	}
	return v, ok
}

// text returns a key that must be there; hint says what it is.
func (t *table) text(key, hint string) string {
	_, there := t.values[key]
	v, ok := take[string](t, key, "a text in quotes")
	if !there || ok && v == "" {
		t.fail(key, fmt.Errorf("is missing: %s", hint))
	}
	return v
}

func (t *table) optional(key string) string {
	v, _ := take[string](t, key, "a text in quotes")
	return v
}

func (t *table) number(key string, otherwise int) int {
	v, ok := take[int64](t, key, "a number")
	if !ok {
		return otherwise
	}
	return int(v)
}

func (t *table) flag(key string) bool {
	v, _ := take[bool](t, key, "true or false")
	return v
}

// maxDuration bounds what a scenario would wait for.
const maxDuration = 5 * time.Minute

func (t *table) duration(key string, otherwise time.Duration) time.Duration {
	text, ok := take[string](t, key, `a time in quotes, such as "5s"`)
	if !ok {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 || d > maxDuration {
		t.fail(key, fmt.Errorf("%q, want a time such as \"5s\", up to %s", text, maxDuration))
	}
	return d
}
