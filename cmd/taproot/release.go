package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/taproot-sensor/taproot/collector/rollout"
	"github.com/taproot-sensor/taproot/image"
	"github.com/taproot-sensor/taproot/provisioning/releases"
)

var cmdRelease = command{"release", "sign updates, publish them, and say which sensors get them when", runRelease}

const releaseExamples = `  taproot release init --repo releases --keys release-keys
  taproot image build --board pc --site site.toml --root releases/metadata/root.json --release 1.4 -o image
  taproot release sign --repo releases --keys release-keys --image image --channel canary
  taproot release publish --repo releases --keys release-keys --data taproot-data
  taproot release promote --repo releases --keys release-keys --to stable 1.4
  taproot release withdraw --repo releases --keys release-keys 1.4
  taproot release rekey --repo releases --keys /media/stick1 --keys /media/stick2 --new release-keys-2
  taproot release list --repo releases
  taproot release rollout --data taproot-data --channel stable --canary 10 --window 01:00-04:00
  taproot release rollout --data taproot-data --channel stable --resume
  taproot release status --data taproot-data

What is signed, promoted or withdrawn reaches sensors with the next publish.
`

// releaseFlags are the flags of all verbs; each uses some.
type releaseFlags struct {
	repo, image, to, board, fresh, channel, window, unit, data string
	keys, channels                                             []string
	floor                                                      uint64
	confirm                                                    time.Duration
	deltas, canary, failures                                   int
	pause                                                      string
	resume                                                     bool
}

func runRelease(_ context.Context, args []string, stdout, _ io.Writer) error {
	verb := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		verb, args = args[0], args[1:]
	}
	var f releaseFlags
	fs := newFlags("release", "init|sign|publish|promote|withdraw|rekey|list|rollout|status [FLAGS] [RELEASE]", releaseExamples, stdout)
	fs.StringVar(&f.repo, "repo", "releases", "`DIR` of the repository")
	fs.Func("keys", "`DIR` with private keys; may be repeated (default release-keys)", func(s string) error { f.keys = append(f.keys, s); return nil })
	fs.StringVar(&f.image, "image", "", "sign: `DIR` of the image to release")
	fs.Func("channel", "sign: put the release into channel `NAME`; may be repeated; rollout: the channel that is meant", func(s string) error {
		f.channels, f.channel = append(f.channels, s), s
		return nil
	})
	fs.Uint64Var(&f.floor, "floor", 0, "sign: once a sensor has confirmed this release it takes none below number `N` any more")
	fs.DurationVar(&f.confirm, "confirm", 0, "sign: how long the trial of this release has (default 10m)")
	fs.IntVar(&f.deltas, "deltas", 3, "sign: make patches from the last `N` releases")
	fs.StringVar(&f.to, "to", "stable", "promote: channel `NAME`")
	fs.StringVar(&f.board, "board", "", "promote, withdraw: the release for this `BOARD`, where several have its name")
	fs.StringVar(&f.fresh, "new", "", "rekey: `DIR` for the new release key")
	fs.IntVar(&f.canary, "canary", -1, "rollout: offer the newest release to so many percent of sensors")
	fs.StringVar(&f.window, "window", "", "rollout: offer updates only from HH:MM to HH:MM UTC, as `HH:MM-HH:MM`; \"always\" ends that")
	fs.IntVar(&f.failures, "failures", 0, "rollout: pause the channel when so many sensors have failed (default 1)")
	fs.StringVar(&f.pause, "pause", "", "rollout: offer nothing new, for this `reason`")
	fs.BoolVar(&f.resume, "resume", false, "rollout: go on after a pause")
	fs.StringVar(&f.unit, "unit", "", "rollout: put the sensor with this `UNIT`, as status shows it, into the channel")
	fs.StringVar(&f.data, "data", defaultData, "publish, rollout, status: data directory `DIR` of the collector")
	if verb == "" {
		if err := fs.Parse(args); err != nil {
			return err
		}
		fs.Usage()
		return errors.New("release: say init, sign, publish, promote, withdraw, rekey, list, rollout or status")
	}
	run, ok := releaseVerbs[verb]
	if !ok {
		return fmt.Errorf("release: unknown word %q; \"taproot release --help\" lists them", verb)
	}
	want := 0
	if verb == "promote" || verb == "withdraw" {
		want = 1
	}
	if err := parse(fs, args, want); err != nil {
		return err
	}
	if len(f.keys) == 0 {
		f.keys = []string{"release-keys"}
	}
	if err := run(&f, fs.Arg(0), stdout); err != nil {
		return fmt.Errorf("release %s: %w", verb, err)
	}
	return nil
}

var releaseVerbs = map[string]func(f *releaseFlags, name string, stdout io.Writer) error{
	"init": releaseInit, "sign": releaseSign, "publish": releasePublish, "promote": releasePromote, "withdraw": releaseWithdraw,
	"rekey": releaseRekey, "list": releaseList, "rollout": releaseRollout, "status": releaseStatus,
}

func releaseInit(f *releaseFlags, _ string, stdout io.Writer) error {
	if _, err := releases.Create(f.repo, f.keys[0]); err != nil {
		return err
	}
	fmt.Fprintf(stdout, `Made a repository in %s and its keys in %s.
Move root-1.key, root-2.key and root-3.key to three media in three places: two of them change the other keys.
release.key signs releases and stays on the bench; online.key publishes them.
Images take these releases when they are built with --root %s
`, f.repo, f.keys[0], filepath.Join(f.repo, "metadata", "root.json"))
	return nil
}

func releaseSign(f *releaseFlags, _ string, stdout io.Writer) error {
	if f.image == "" {
		return errors.New("--image is missing")
	}
	m, slot, err := image.ReadSlot(f.image)
	if err != nil {
		return err
	}
	r, err := releases.Open(f.repo, f.keys...)
	if err != nil {
		return err
	}
	n, err := r.Sign(releases.Image{Board: m.Board, Release: m.Release, Slot: slot, Digest: m.Slot.SHA256, Size: m.Slot.Size},
		releases.SignOptions{Channels: f.channels, Floor: f.floor, Confirm: f.confirm, Deltas: f.deltas})
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s: release %s for %s, number %d, %.1f MB\n", n.Target, n.Release.Release, n.Board, n.Counter, float64(len(slot))/1e6)
	for _, old := range r.List() {
		if name := n.Deltas[old.Slot]; name != "" {
			fmt.Fprintf(stdout, "  from %s: %s, %d bytes\n", old.Release.Release, name, r.Size(name))
		}
	}
	return nil
}

// releasesDir is where a collector has the releases that it serves.
func releasesDir(data string) string { return filepath.Join(data, rollout.Dir) }

func releasePublish(f *releaseFlags, _ string, stdout io.Writer) error {
	r, err := releases.Open(f.repo, f.keys...)
	if err != nil {
		return err
	}
	n, err := r.Publish(releasesDir(f.data))
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s: %d files are new\n", releasesDir(f.data), n)
	return nil
}

func releasePromote(f *releaseFlags, name string, stdout io.Writer) error {
	return f.change(name, stdout, func(r *releases.Repo, n releases.Named) (string, error) {
		return "in channel " + f.to, r.Promote(n, f.to)
	})
}

func releaseWithdraw(f *releaseFlags, name string, stdout io.Writer) error {
	return f.change(name, stdout, func(r *releases.Repo, n releases.Named) (string, error) {
		return "withdrawn", r.Withdraw(n)
	})
}

// change finds a release and changes what is said of it.
func (f *releaseFlags) change(name string, stdout io.Writer, do func(*releases.Repo, releases.Named) (string, error)) error {
	r, err := releases.Open(f.repo, f.keys...)
	if err != nil {
		return err
	}
	n, err := r.Find(name, f.board)
	if err != nil {
		return err
	}
	what, err := do(r, n)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s is %s; sensors hear of it with the next publish\n", n.Target, what)
	return nil
}

func releaseRekey(f *releaseFlags, _ string, stdout io.Writer) error {
	if f.fresh == "" {
		return errors.New("--new is missing")
	}
	r, err := releases.Open(f.repo, f.keys...)
	if err != nil {
		return err
	}
	if err := r.Rekey(f.fresh); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "The release key is the one in %s; with the next publish sensors take nothing of the old one.\n", f.fresh)
	return nil
}

func releaseList(f *releaseFlags, _ string, stdout io.Writer) error {
	r, err := releases.Open(f.repo)
	if err != nil {
		return err
	}
	tw := tabwriter.NewWriter(stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "NUMBER\tRELEASE\tBOARD\tCHANNELS\tFLOOR\tPATCHES\tTARGET")
	for _, n := range r.List() {
		fmt.Fprintf(tw, "%d\t%s\t%s\t%s\t%d\t%d\t%s\n", n.Counter, n.Release.Release, n.Board, cmp.Or(strings.Join(n.Channels, ","), "-"), n.Floor, len(n.Deltas), n.Target)
	}
	return tw.Flush()
}

func releaseRollout(f *releaseFlags, _ string, stdout io.Writer) error {
	if f.channel == "" {
		return errors.New("--channel is missing")
	}
	var plan rollout.Channel
	err := rollout.Change(releasesDir(f.data), func(p *rollout.Policy) error {
		c := p.Channel(f.channel)
		switch {
		case f.canary > 100:
			return fmt.Errorf("--canary %d: want 0 to 100 percent", f.canary)
		case f.canary >= 0:
			c.Canary = &f.canary
		}
		if f.window == "always" {
			c.Window = ""
		} else if f.window != "" {
			if _, err := rollout.ParseWindow(f.window); err != nil {
				return err
			}
			c.Window = f.window
		}
		if f.failures > 0 {
			c.Failures = f.failures
		}
		c.Paused = cmp.Or(f.pause, c.Paused)
		if f.resume {
			c.Paused, c.Since = "", time.Now().UTC()
		}
		if f.unit != "" {
			p.Units[f.unit] = f.channel
		}
		p.Channels[f.channel] = c
		plan = c
		return nil
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s: %s\n", f.channel, plan)
	return nil
}

func releaseStatus(f *releaseFlags, _ string, stdout io.Writer) error {
	s, err := rollout.ReadStatus(releasesDir(f.data))
	if err != nil {
		return err
	}
	for _, c := range s.Channels {
		fmt.Fprintf(stdout, "%s: %s\n", c.Name, c.Channel)
	}
	tw := tabwriter.NewWriter(stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "UNIT\tBOARD\tCHANNEL\tRUNS\tOFFERED\tFAILED\tLAST ASKED")
	for _, u := range s.Units {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", u.Unit, u.Board, u.Channel, u.Runs, cmp.Or(u.Offered, "-"), cmp.Or(strings.Join(u.Failed, ","), "-"), u.Asked.Local().Format(time.DateTime))
	}
	return tw.Flush()
}
