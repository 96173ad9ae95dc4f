package app

import "strings"

// secretNames are what passwords and tokens are called in the queries of
// addresses (RFC 6749, sections 2.3 and 4; RFC 6750, section 2.3; and what
// forms are made of).
var secretNames = map[string]bool{
	"access_token": true, "api_key": true, "apikey": true, "auth_token": true, "client_secret": true, "id_token": true, "pass": true,
	"passphrase": true, "passwd": true, "password": true, "pwd": true, "refresh_token": true, "secret": true, "token": true,
}

// withoutSecrets returns an address without user and password, and without
// the values of what is called a secret in its query or fragment.
func withoutSecrets(uri string) string {
	path := strings.IndexAny(uri, "?#")
	if path < 0 {
		path = len(uri)
	}
	front, rest := uri[:path], uri[path:]
	if start := strings.Index(front, "//"); start >= 0 && (start == 0 || front[start-1] == ':') {
		start += 2
		end := start + strings.IndexByte(front[start:]+"/", '/')
		if at := strings.LastIndexByte(front[start:end], '@'); at >= 0 {
			front = front[:start] + front[start+at+1:]
		}
	}
	if !strings.Contains(rest, "=") {
		return front + rest
	}
	var b strings.Builder
	b.WriteString(front)
	for len(rest) > 0 { // a separator with what follows it
		n := 1 + strings.IndexAny(rest[1:]+"&", "&;?#")
		name, _, has := strings.Cut(rest[:n], "=")
		if has && secretNames[strings.ToLower(name[1:])] {
			b.WriteString(name + "=")
		} else {
			b.WriteString(rest[:n])
		}
		rest = rest[n:]
	}
	return b.String()
}
