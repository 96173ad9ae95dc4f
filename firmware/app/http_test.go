package app_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/taproot-sensor/taproot/firmware/app"
	"github.com/taproot-sensor/taproot/wire/record"
)

// talk gives what two sides said to an HTTP, piece by piece, answers beginning
// with "<", and returns the transactions in short.
func talk(t testing.TB, size int, turns ...string) (out []string, err error) {
	h := app.NewHTTP(func(rec *record.HTTP) {
		out = append(out, fmt.Sprintf("%s %s %s %s > %d %s %d", rec.Method, rec.Host, rec.URI, rec.Version, rec.Status, rec.Type, rec.Size))
	})
	var sides [2]app.Stream
	var seq [2]uint32
	for now, turn := range turns {
		end := uint8(0)
		if turn, _ = strings.CutPrefix(turn, "<"); turn != turns[now] {
			end = 1
		}
		for len(turn) > 0 {
			n := min(size, len(turn))
			buf, _ := sides[end].Add(seq[end], []byte(turn[:n]))
			seq[end] += uint32(n)
			turn = turn[n:]
			for len(buf) > 0 {
				used, err := h.Read(end, record.Nanos(now), buf)
				if err != nil {
					return out, err
				}
				if used == 0 {
					break
				}
				sides[end].Consume(used)
				buf = sides[end].Bytes()
			}
		}
	}
	h.Flush()
	return out, nil
}

func TestHTTP(t *testing.T) {
	for _, tt := range []struct {
		name  string
		turns []string
		want  []string
	}{
		{"kept alive", []string{
			"GET /a HTTP/1.1\r\nHost: h\r\nCookie: secret\r\n\r\n",
			"<HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello",
			"HEAD /b HTTP/1.1\r\nhost: h\r\n\r\n",
			"<HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n",
			"POST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nGETGET /d HTTP/1.1\r\nHost: h\r\n\r\n",
			"<HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nTrailer: x\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n",
		}, []string{"GET h /a 1.1 > 200 text/html 5", "HEAD h /b 1.1 > 404  5", "POST h /c 1.1 > 200  5", "GET h /d 1.1 > 304  0"}},
		{"body to the end", []string{"GET / HTTP/1.0\n\n", "<HTTP/1.0 200 OK\nContent-Type:\n a/b\n\nHTTP/1.1 200 OK\r\n\r\n"}, []string{"GET  / 1.0 > 200  a/b 0"}},
		{"two codings, cut", []string{"GET / HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n\r\n5\r\nhello\r\n10\r\nhe"}, []string{"GET  / 1.1 > 200  21"}},
		{"proxy", []string{"GET http://u:p@x.example:80/q?a=b HTTP/1.1\r\n\r\n"}, []string{"GET x.example:80 http://x.example:80/q?a=b 1.1 > 0  0"}},
		{"tunnel", []string{"CONNECT y:443 HTTP/1.1\r\n\r\n", "<HTTP/1.1 200 Go\r\n\r\n"}, []string{"CONNECT y:443 y:443 1.1 > 200  0"}},
		{"preface", []string{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}, []string{"PRI  * 2 > 0  0"}},
		{"answer alone", []string{"<HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"}, []string{"   1.1 > 500  0"}},
	} {
		for _, size := range []int{10000, 7, 1} {
			got, err := talk(t, size, tt.turns...)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%s, %d bytes at once: got %q, %v\nwant %q", tt.name, size, got, err, tt.want)
			}
		}
	}
	for _, bad := range []string{"GET / RTSP/1.0\r\n\r\n", "\x16\x03\x01\x00\x00 something else", "HTTP/1.1 abc\r\n\r\n"} {
		if got, err := talk(t, 1000, bad); err == nil {
			t.Errorf("%q: no error, got %q", bad, got)
		}
	}
}

// TestHTTPMethods: any method will do where the line is whole.
func TestHTTPMethods(t *testing.T) {
	got, err := talk(t, 1000, "RPC_IN_DATA /rpc HTTP/1.1\r\nHost: h\r\n\r\n", "<HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	if err != nil || !reflect.DeepEqual(got, []string{"RPC_IN_DATA h /rpc 1.1 > 200  0"}) {
		t.Errorf("got %q, %v", got, err)
	}
	for _, b := range []string{"RPC_IN_DATA /rpc HTTP/1.1", "rpc /rpc HTTP/1.1\r\n", "SETUP rtsp://h/a RTSP/1.0\r\n", "A_METHOD_LONGER_THAN_ANY_IS / HTTP/1.1\r\n", " / HTTP/1.1\r\n"} {
		if app.LooksLikeHTTP([]byte(b)) {
			t.Errorf("%q looks like HTTP", b)
		}
	}
}

// TestHTTPSecrets looks for what must not be in any record.
func TestHTTPSecrets(t *testing.T) {
	h := app.NewHTTP(func(rec *record.HTTP) {
		if s := fmt.Sprintf("%+v", *rec); strings.Contains(s, "secret") {
			t.Errorf("a secret in %s", s)
		}
	})
	h.Read(0, 1, []byte("GET http://user:secret@h/?a=b&Password=secret;x=y#access_token=secret HTTP/1.1\r\nReferer: https://u:secret@h?pwd=secret\r\nAuthorization: Basic secret\r\nProxy-Authorization: secret\r\nCookie: a=secret\r\n secret\r\n\r\n"))
	h.Read(1, 2, []byte("HTTP/1.1 200 OK\r\nLocation: //u:secret@h/?token=secret\r\nSet-Cookie: a=secret\r\nWWW-Authenticate: secret\r\n\r\n"))
	if !h.Started() {
		t.Error("not read")
	}
}

// TestHTTPAddresses: what is no secret stays.
func TestHTTPAddresses(t *testing.T) {
	for _, tt := range [][2]string{
		{"/a@b/c?q=x@y&t=//u:p@h", "/a@b/c?q=x@y&t=//u:p@h"},
		{"/?password=x&a=b?c", "/?password=&a=b?c"},
		{"/login;pass=x", "/login;pass=x"}, // of the path
		{"*", "*"},
		{"http://a:b@h:80/p@q?x", "http://h:80/p@q?x"},
		{"ws://u@h#f", "ws://h#f"},
	} {
		h := app.NewHTTP(func(rec *record.HTTP) {
			if rec.URI != tt[1] {
				t.Errorf("%s: got %s, want %s", tt[0], rec.URI, tt[1])
			}
		})
		h.Read(0, 1, []byte("GET "+tt[0]+" HTTP/1.1\r\n\r\n"))
		h.Flush()
	}
}

func FuzzHTTP(f *testing.F) {
	f.Add("POST /c HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nGETGET /d HTTP/1.1\r\nHost: h\r\n\r\n", "<HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nTrailer: x\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n")
	f.Add("GET /index.html HTTP/1.1\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\nReferer: http://a/\r\n\r\n", "<HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\x81\x05hello")
	f.Fuzz(func(t *testing.T, request, response string) {
		if out, _ := talk(t, 100, request, "<"+strings.TrimPrefix(response, "<")); len(strings.Join(out, "")) > 4*(len(request)+len(response))+100*(1+len(out)) {
			t.Errorf("%d transactions", len(out))
		}
	})
}

func BenchmarkHTTP(b *testing.B) {
	request := []byte("GET /index.html HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\r\n")
	response := []byte("HTTP/1.1 200 OK\r\nServer: nginx/1.26.3\r\nDate: Sat, 21 Nov 2026 09:00:00 GMT\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n")
	b.ReportAllocs()
	for b.Loop() {
		h := app.NewHTTP(func(*record.HTTP) {})
		h.Read(0, 1, request)
		h.Read(1, 2, response)
	}
}

// TestHTTPHeld: of requests that wait for a response there is no more kept than a
// stream has room for, and of each no more than a record.
func TestHTTPHeld(t *testing.T) {
	reported := 0
	h := app.NewHTTP(func(rec *record.HTTP) {
		reported++
		if len(rec.URI) > record.MaxText+4 || len(rec.Host) > record.MaxText+4 || rec.Method != "GET" || rec.Version != "1.1" {
			t.Errorf("%s %s: %d bytes of target, %d of host", rec.Method, rec.Version, len(rec.URI), len(rec.Host))
		}
	})
	const requests = 40
	head := "GET http://user:secret@" + strings.Repeat("h", 2000) + "/" + strings.Repeat("a", 4000) + " HTTP/1.1\r\nUser-Agent: a\r\n" + strings.Repeat(" b\r\n", 1500) + "\r\n"
	for range requests {
		if used, err := h.Read(0, 1, []byte(head)); used != len(head) || err != nil {
			t.Fatal(used, err)
		}
		if h.Held() > app.MaxStream {
			t.Fatalf("%d bytes held", h.Held())
		}
	}
	if reported < requests-16 || reported == requests {
		t.Errorf("%d requests reported", reported)
	}
	if h.Flush(); reported != requests || h.Held() != 0 {
		t.Errorf("%d requests reported, %d bytes held", reported, h.Held())
	}
}

// TestHTTPHeldAnswer: a response whose chunks go on is held, and then it is not.
func TestHTTPHeldAnswer(t *testing.T) {
	reports := 0
	h := app.NewHTTP(func(*record.HTTP) { reports++ })
	read := func(end uint8, s string) {
		t.Helper()
		if n, err := h.Read(end, 1, []byte(s)); err != nil || n != len(s) {
			t.Fatalf("%q: used %d, %v", s, n, err)
		}
	}
	read(0, "GET /"+strings.Repeat("a", 500)+" HTTP/1.1\r\nHost: a.example\r\n\r\n")
	read(1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	if held := h.Held(); held < 500 || reports != 0 {
		t.Errorf("%d bytes are held, %d reports", held, reports)
	}
	read(1, "0\r\n")
	if held := h.Held(); held != 0 || reports != 1 {
		t.Errorf("%d bytes are held, %d reports", held, reports)
	}
}
