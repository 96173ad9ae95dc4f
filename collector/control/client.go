package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/taproot-sensor/taproot/collector/fleet"
	"github.com/taproot-sensor/taproot/wire/site"
)

// A Client speaks to the collector that runs on a data directory.
type Client struct {
	dir  string
	http http.Client
}

// NewClient returns a client for the collector on data directory dir.
func NewClient(dir string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", SocketPath(dir))
	}
	return &Client{dir: dir, http: http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Sensors returns the fleet, and what was lost of each sensor.
func (c *Client) Sensors(ctx context.Context) (list []Sensor, err error) {
	return list, c.value(ctx, "GET", "/v1/sensors", nil, &list)
}

// Approve approves the sensor that ref means, as decided by by.
func (c *Client) Approve(ctx context.Context, ref, by string) (fleet.Sensor, error) {
	return c.decide(ctx, ref, "approve", by)
}

// Revoke revokes the sensor that ref means, as decided by by.
func (c *Client) Revoke(ctx context.Context, ref, by string) (fleet.Sensor, error) {
	return c.decide(ctx, ref, "revoke", by)
}

func (c *Client) decide(ctx context.Context, ref, verb, by string) (s fleet.Sensor, err error) {
	body, err := json.Marshal(map[string]string{"by": by})
	if err != nil {
		return s, err
	}
	return s, c.value(ctx, "POST", "/v1/sensors/"+url.PathEscape(ref)+"/"+verb, body, &s)
}

// Rotate ends the collector's epoch.
func (c *Client) Rotate(ctx context.Context) error {
	return c.value(ctx, "POST", "/v1/keys/rotate", nil, &struct{}{})
}

// HandOver makes the site's next box key the one in use, and returns the site.
func (c *Client) HandOver(ctx context.Context) (s site.Site, err error) {
	return s, c.value(ctx, "POST", "/v1/keys/handover", nil, &s)
}

// Status returns the collector's counters.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	return s, c.value(ctx, "GET", "/v1/status", nil, &s)
}

// Query asks sql and calls each with every line of the answer, which is as
// package query documents it.
func (c *Client) Query(ctx context.Context, sql string, each func(line []byte) error) error {
	return c.lines(ctx, "POST", "/v1/query", []byte(sql), each)
}

// Tail calls each with every record that arrives, as a JSON object, until ctx
// ends. An empty kind means all.
func (c *Client) Tail(ctx context.Context, kind string, each func(line []byte) error) error {
	return c.lines(ctx, "GET", "/v1/tail?kind="+url.QueryEscape(kind), nil, each)
}

func (c *Client) value(ctx context.Context, method, path string, body []byte, v any) error {
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(v); err != nil {
		return fmt.Errorf("reading the collector's answer: %w", err)
	}
	return nil
}

func (c *Client) lines(ctx context.Context, method, path string, body []byte, each func([]byte) error) error {
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	d := json.NewDecoder(resp.Body)
	for {
		var line json.RawMessage
		switch err := d.Decode(&line); {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("reading the collector's answer: %w", err)
		}
		var failed streamError
		if bytes.HasPrefix(line, []byte(`{"error":`)) && json.Unmarshal(line, &failed) == nil {
			return errors.New(failed.Error)
		}
		if err := each(line); err != nil {
			return err
		}
	}
}

func (c *Client) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://collector"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	var dial *net.OpError
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.As(err, &dial) && dial.Op == "dial":
		return nil, fmt.Errorf("no collector runs on %s (%v); start one with \"taproot collector --data %s\", or name another directory with --data", c.dir, dial.Err, c.dir)
	case err != nil:
		return nil, fmt.Errorf("asking the collector: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		return nil, errors.New(strings.TrimSpace(string(text)))
	}
	return resp, nil
}
