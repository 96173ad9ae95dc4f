package powercut

import (
	"fmt"
	"strings"
)

// A shell runs the scripts of GRUB and of U-Boot, as much of both languages as
// ours use: commands, variables, if, for, functions, && and ||. A script that
// uses more does not parse, so the model cannot pass over it.
type shell struct {
	vars     map[string]string
	commands map[string]func(args []string) bool // true is success
	funcs    map[string][]statement
	done     bool // the loader has left: a system was started, or the machine reset
	steps    int
	err      error // a command that the model does not know
}

// maxSteps ends scripts that go round in circles.
const maxSteps = 10_000

// A statement is a command, an if, a for or a function's definition.
type statement struct {
	words []word // a command
	join  string // "", "&&" or "||": how it depends on the one before

	kind   string // "", "if", "for" or "function"
	name   string // of a for's variable, or of the function
	list   []word // what a for goes through
	cond   []statement
	body   []statement
	others []statement // else; an elif is an if in here
}

// A word is text and variables, side by side.
type word []piece

type piece struct {
	text     string // or the name of a variable
	variable bool
	quoted   bool
}

// parseScript returns the statements of a script.
func parseScript(script string) ([]statement, error) {
	tokens, err := tokenize(script)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens}
	list, end := p.list()
	if end != "" {
		return nil, fmt.Errorf("script: %q where nothing ends", end)
	}
	return list, p.err
}

// A token is a word or, where op is set, one of ; && || { }.
type token struct {
	word word
	op   string
}

func tokenize(s string) (tokens []token, err error) {
	for len(s) > 0 {
		switch {
		case s[0] == ' ' || s[0] == '\t':
			s = s[1:]
		case s[0] == '#':
			_, s, _ = strings.Cut(s, "\n")
			tokens = append(tokens, token{op: ";"})
		case s[0] == '\n' || s[0] == ';':
			tokens, s = append(tokens, token{op: ";"}), s[1:]
		case strings.HasPrefix(s, "&&") || strings.HasPrefix(s, "||"):
			tokens, s = append(tokens, token{op: s[:2]}), s[2:]
		case (s[0] == '{' || s[0] == '}') && (len(s) == 1 || strings.ContainsRune(" \t\n;", rune(s[1]))):
			tokens, s = append(tokens, token{op: s[:1]}), s[1:]
		default:
			var w word
			if w, s, err = scanWord(s); err != nil {
				return nil, err
			}
			tokens = append(tokens, token{word: w})
		}
	}
	return tokens, nil
}

// scanWord takes one word off s.
func scanWord(s string) (w word, rest string, err error) {
	quoted := false
	for len(s) > 0 {
		switch c := s[0]; {
		case c == '"':
			quoted, s = !quoted, s[1:]
			w = append(w, piece{quoted: true})
		case c == '$':
			name := s[1:]
			if braced, ok := strings.CutPrefix(name, "{"); ok {
				if name, s, ok = strings.Cut(braced, "}"); !ok {
					return nil, "", fmt.Errorf("script: ${%s is not closed", braced)
				}
			} else {
				n := 0
				for n < len(name) && (name[n] == '_' || name[n] >= 'a' && name[n] <= 'z') {
					n++
				}
				name, s = name[:n], name[n:]
			}
			w = append(w, piece{text: name, variable: true, quoted: quoted})
		case !quoted && strings.IndexByte(" \t\n;", c) >= 0:
			return w, s, nil
		case strings.IndexByte("'`\\<>", c) >= 0:
			return nil, "", fmt.Errorf("script: the model does not know %q", c)
		default:
			w = append(w, piece{text: s[:1], quoted: quoted})
			s = s[1:]
		}
	}
	if quoted {
		return nil, "", fmt.Errorf("script: a quote is not closed")
	}
	return w, "", nil
}

// literal returns the text of a token that is a plain word.
func (t token) literal() string {
	var b strings.Builder
	for _, p := range t.word {
		if p.variable || p.quoted {
			return ""
		}
		b.WriteString(p.text)
	}
	return b.String()
}

type parser struct {
	tokens []token
	err    error
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("script: "+format, args...)
	}
	p.tokens = nil
}

// want takes the word or operator s.
func (p *parser) want(s string) {
	for len(p.tokens) > 0 && p.tokens[0].op == ";" {
		p.tokens = p.tokens[1:]
	}
	if len(p.tokens) == 0 || p.tokens[0].op != s && p.tokens[0].literal() != s {
		p.fail("%q is missing", s)
		return
	}
	p.tokens = p.tokens[1:]
}

// list parses statements until a word that ends a list, which it takes.
func (p *parser) list() (list []statement, end string) {
	join := ""
	for len(p.tokens) > 0 {
		t := p.tokens[0]
		switch {
		case t.op == ";":
			p.tokens, join = p.tokens[1:], ""
			continue
		case t.op == "&&" || t.op == "||":
			p.tokens, join = p.tokens[1:], t.op
			continue
		case t.op == "}":
			p.tokens = p.tokens[1:]
			return list, "}"
		}
		switch w := t.literal(); w {
		case "then", "elif", "else", "fi", "do", "done":
			p.tokens = p.tokens[1:]
			return list, w
		case "if":
			p.tokens = p.tokens[1:]
			list = append(list, p.conditional())
		case "for":
			p.tokens = p.tokens[1:]
			list = append(list, p.loop())
		case "function":
			p.tokens = p.tokens[1:]
			list = append(list, p.function())
		default:
			s := statement{join: join}
			for len(p.tokens) > 0 && p.tokens[0].op == "" {
				s.words = append(s.words, p.tokens[0].word)
				p.tokens = p.tokens[1:]
			}
			if len(s.words) == 0 {
				p.fail("%q where a command should be", t.op)
			}
			list = append(list, s)
		}
		join = ""
	}
	return list, ""
}

func (p *parser) conditional() statement {
	s := statement{kind: "if"}
	var end string
	if s.cond, end = p.list(); end != "then" {
		p.fail("if without then")
	}
	switch s.body, end = p.list(); end {
	case "fi":
	case "else":
		if s.others, end = p.list(); end != "fi" {
			p.fail("else without fi")
		}
	case "elif":
		s.others = []statement{p.conditional()}
	default:
		p.fail("if without fi")
	}
	return s
}

func (p *parser) loop() statement {
	s := statement{kind: "for"}
	if len(p.tokens) < 2 || p.tokens[1].literal() != "in" {
		p.fail("for without in")
		return s
	}
	s.name, p.tokens = p.tokens[0].literal(), p.tokens[2:]
	for len(p.tokens) > 0 && p.tokens[0].op == "" {
		s.list, p.tokens = append(s.list, p.tokens[0].word), p.tokens[1:]
	}
	p.want("do")
	var end string
	if s.body, end = p.list(); end != "done" {
		p.fail("for without done")
	}
	return s
}

func (p *parser) function() statement {
	s := statement{kind: "function"}
	if len(p.tokens) > 0 {
		s.name, p.tokens = p.tokens[0].literal(), p.tokens[1:]
	}
	p.want("{")
	var end string
	if s.body, end = p.list(); end != "}" {
		p.fail("function without }")
	}
	return s
}

// run runs a script and returns whether its last command succeeded.
func (sh *shell) run(script string) (bool, error) {
	list, err := parseScript(script)
	if err != nil {
		return false, err
	}
	ok := sh.exec(list)
	return ok, sh.err
}

func (sh *shell) exec(list []statement) (ok bool) {
	ok = true
	for _, s := range list {
		if sh.steps++; sh.steps > maxSteps && sh.err == nil {
			sh.err = fmt.Errorf("script goes round in circles")
		}
		if sh.done || sh.err != nil {
			return ok
		}
		if s.join == "&&" && !ok || s.join == "||" && ok {
			continue
		}
		switch s.kind {
		case "if":
			if sh.exec(s.cond) {
				ok = sh.exec(s.body)
			} else {
				ok = sh.exec(s.others)
			}
		case "for":
			for _, v := range sh.expand(s.list) {
				sh.vars[s.name] = v
				ok = sh.exec(s.body)
			}
		case "function":
			sh.funcs[s.name] = s.body
		default:
			ok = sh.command(sh.expand(s.words))
		}
	}
	return ok
}

func (sh *shell) command(args []string) bool {
	if len(args) == 0 {
		return true
	}
	if body, ok := sh.funcs[args[0]]; ok {
		return sh.exec(body)
	}
	c, ok := sh.commands[args[0]]
	if !ok {
		sh.err = fmt.Errorf("script: the loader has no command %q", args[0])
		return false
	}
	return c(args[1:])
}

// expand replaces variables. What is quoted stays one argument, even if empty.
func (sh *shell) expand(words []word) (args []string) {
	for _, w := range words {
		var b strings.Builder
		keep := false
		for _, p := range w {
			keep = keep || p.quoted
			switch {
			case !p.variable:
				b.WriteString(p.text)
			case p.quoted:
				b.WriteString(sh.vars[p.text])
			default: // split at spaces
				parts := strings.Fields(sh.vars[p.text])
				for i, part := range parts {
					if i > 0 {
						args = append(args, b.String())
						b.Reset()
					}
					b.WriteString(part)
				}
			}
		}
		if keep || b.Len() > 0 {
			args = append(args, b.String())
		}
	}
	return args
}

// test is the command of that name, which both loaders have.
func test(args []string) bool {
	for i, a := range args {
		if a == "-o" {
			return test(args[:i]) || test(args[i+1:])
		}
	}
	switch {
	case len(args) == 2 && args[0] == "-n":
		return args[1] != ""
	case len(args) == 2 && args[0] == "-z":
		return args[1] == ""
	case len(args) == 3 && args[1] == "=":
		return args[0] == args[2]
	case len(args) == 3 && args[1] == "!=":
		return args[0] != args[2]
	}
	return false
}

// bracket is test as GRUB also writes it.
func bracket(args []string) bool {
	return len(args) > 0 && args[len(args)-1] == "]" && test(args[:len(args)-1])
}
