package image

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A Cache is a directory of Debian packages, unpacked and never installed.
//
// It holds an apt state of its own for each Debian architecture, so that
// fetching needs no root and changes nothing of the host but this directory:
//
//	apt/ARCH/                    apt's lists and settings
//	packages/ARCH/NAME_VERSION/  a package, unpacked
//	packages/ARCH/WANTED         link to the one that WANTED led to
type Cache struct {
	Dir string

	// Refresh asks for newer packages even where one is at hand.
	Refresh bool

	Progress Progress
}

// The suite that kernels come from. Its index of security updates is at times
// out of step with its signature ("Mirror sync in progress?"), so that a
// failed update is tried again and then done without.
const (
	suite         = "bookworm"
	defaultMirror = "http://deb.debian.org/debian"
	keyring       = "/usr/share/keyrings/debian-archive-keyring.gpg"
)

// DefaultCacheDir returns $XDG_CACHE_HOME/taproot or what stands for it.
func DefaultCacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding a cache directory: %w", err)
	}
	return filepath.Join(dir, "taproot"), nil
}

// Package returns the directory of an unpacked package and its version,
// fetching it first where that is needed. A metapackage, such as
// linux-image-amd64, stands for the kernel it depends on.
func (c *Cache) Package(ctx context.Context, arch, name string) (dir, version string, err error) {
	unlock, err := c.lock()
	if err != nil {
		return "", "", err
	}
	defer unlock()
	link := filepath.Join(c.Dir, "packages", arch, name)
	if _, err := os.Stat(link); err != nil || c.Refresh {
		if err := c.fetch(ctx, arch, name, link); err != nil {
			return "", "", fmt.Errorf("fetching Debian package %q for %s: %w", name, arch, err)
		}
	}
	target, err := os.Readlink(link)
	if err != nil {
		return "", "", fmt.Errorf("opening cache: %w", err)
	}
	_, version, _ = strings.Cut(target, "_")
	return filepath.Join(filepath.Dir(link), target), version, nil
}

// lock keeps other processes out of the cache until unlock is called.
func (c *Cache) lock() (unlock func(), err error) {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("opening cache: %w", err)
	}
	f, err := os.Create(filepath.Join(c.Dir, "lock"))
	if err != nil {
		return nil, fmt.Errorf("opening cache: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking cache %q: %w", c.Dir, err)
	}
	return func() { f.Close() }, nil
}

// fetch downloads and unpacks what name stands for, and points link at it.
func (c *Cache) fetch(ctx context.Context, arch, name, link string) error {
	apt := apt{dir: filepath.Join(c.Dir, "apt", arch), arch: arch}
	if err := apt.init(); err != nil {
		return err
	}
	err := c.Progress.step("updating Debian's package lists for "+arch, func() error { return apt.update(ctx) })
	if err != nil {
		return err
	}
	name, version, err := apt.resolve(ctx, name)
	if err != nil {
		return err
	}
	dir := filepath.Join(filepath.Dir(link), name+"_"+version)
	if _, err := os.Stat(dir); err != nil {
		err := c.Progress.step("fetching "+name+" "+version, func() error { return apt.unpack(ctx, name, dir) })
		if err != nil {
			return err
		}
	}
	if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(filepath.Base(dir), link)
}

// apt runs apt's programs on a state of its own.
type apt struct {
	dir  string
	arch string
}

// init writes apt's settings.
func (a apt) init() error {
	for _, d := range []string{"state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(a.dir, d), 0o755); err != nil {
			return err
		}
	}
	mirror := defaultMirror
	if m := os.Getenv("TAPROOT_DEBIAN_MIRROR"); m != "" {
		mirror = m
	}
	files := map[string]string{
		"state/status": "",
		"apt.conf": fmt.Sprintf(`APT::Architecture %q;
APT::Architectures { %q; };
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Retries "3";
Dir::State %q;
Dir::State::status %q;
Dir::Cache %q;
Dir::Etc::sourcelist %q;
Dir::Etc::sourceparts "/dev/null";
`, a.arch, a.arch, a.dir+"/state", a.dir+"/state/status", a.dir+"/cache", a.dir+"/debian.sources"),
		"debian.sources": fmt.Sprintf("Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n"+
			"Types: deb\nURIs: %s-security\nSuites: %s-security\nComponents: main\nSigned-By: %s\n",
			mirror, suite, keyring, mirror, suite, keyring),
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// update brings the package lists up to date. Lists that are missing after two
// tries matter only if resolve then finds no candidate.
func (a apt) update(ctx context.Context) error {
	for range 2 {
		if _, err := a.run(ctx, "", "apt-get", "update"); err == nil {
			return nil
		} else if errors.Is(err, exec.ErrNotFound) || ctx.Err() != nil {
			return err
		}
	}
	return nil
}

// resolve returns the name and version of the newest candidate for name, or of
// the one package that it depends on if it is a kernel metapackage.
func (a apt) resolve(ctx context.Context, name string) (string, string, error) {
	out, err := a.run(ctx, "", "apt-cache", "show", "--no-all-versions", name)
	if err != nil {
		return "", "", err
	}
	var version, depends string
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "Version":
			version = value
		case "Depends":
			depends, _, _ = strings.Cut(value, " ")
		}
	}
	if strings.HasPrefix(depends, "linux-image-") {
		return a.resolve(ctx, depends)
	}
	return name, version, nil
}

// unpack downloads a package and unpacks it as dir.
func (a apt) unpack(ctx context.Context, name, dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".tmp-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if _, err := a.run(ctx, tmp, "apt-get", "download", name); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("apt-get download left %d packages, want 1", len(debs))
	}
	root := filepath.Join(tmp, "root")
	if _, err := a.run(ctx, "", "dpkg-deb", "--extract", debs[0], root); err != nil {
		return err
	}
	return os.Rename(root, dir)
}

// run returns the output of a program. Its error ends in what the program
// itself gave as the reason.
func (a apt) run(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "APT_CONFIG="+filepath.Join(a.dir, "apt.conf"), "LC_ALL=C")
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w%s", strings.Join(args[:2], " "), err, firstReason(stderr.String()))
	}
	return stdout.String(), nil
}

// firstReason returns ": reason" from the first line that looks like one.
func firstReason(stderr string) string {
	s := bufio.NewScanner(strings.NewReader(stderr))
	for s.Scan() {
		if line := strings.TrimPrefix(s.Text(), "E: "); line != "" && !strings.HasPrefix(line, "W: ") {
			return ": " + line
		}
	}
	return ""
}
