package meter_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// tsharkTime bounds a tshark: the largest capture of the set takes it 20 s of a
// core that is shared.
const tsharkTime = 3 * time.Minute

// printed is what tshark prints of captures, by their path. Two run at a time,
// and what they print is kept in the user's cache directory under the digest of
// program, arguments and capture, so that the minutes are spent once. A capture
// that tshark does not come to the end of in tsharkTime is left out and named.
func printed(t *testing.T, program string, args, paths []string) map[string]string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = t.TempDir()
	}
	dir = filepath.Join(dir, "taproot", "tshark")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	version, err := exec.Command(program, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(version), "\n")
	texts, late := make([][]byte, len(paths)), make([]bool, len(paths))
	var g errgroup.Group
	g.SetLimit(2)
	for i, path := range paths {
		g.Go(func() (err error) {
			raw, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			key := sha256.Sum256(fmt.Appendf(nil, "%s\n%q\n%x", head, args, sha256.Sum256(raw)))
			kept := filepath.Join(dir, fmt.Sprintf("%x", key))
			if texts[i], err = os.ReadFile(kept); err == nil {
				return nil
			}
			texts[i], err = printOne(program, append([]string{"-n", "-r", path}, args...))
			if late[i] = errors.Is(err, context.DeadlineExceeded); late[i] {
				return nil
			}
			if err := os.WriteFile(kept+".new", texts[i], 0o600); err != nil {
				return err
			}
			return os.Rename(kept+".new", kept)
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	out := make(map[string]string)
	for i, path := range paths {
		if late[i] {
			t.Logf("truth: %s: tshark was not done in %v", path, tsharkTime)
			continue
		}
		out[path] = string(texts[i])
	}
	return out
}

// printOne returns what a program prints; of a capture that is cut short tshark
// prints what was before and then fails, which is no error here.
func printOne(program string, args []string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), tsharkTime)
	defer cancel()
	var out bytes.Buffer
	c := exec.CommandContext(ctx, program, args...)
	c.Stdout = &out
	_ = c.Run()
	return out.Bytes(), ctx.Err()
}
