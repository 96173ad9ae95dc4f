package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/user"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/taproot-sensor/taproot/collector/control"
	"github.com/taproot-sensor/taproot/collector/edge/quota"
	"github.com/taproot-sensor/taproot/collector/fleet"
	"github.com/taproot-sensor/taproot/collector/rollout"
)

var cmdSensors = command{"sensors", "list, approve and revoke sensors", runSensors}

func runSensors(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := newFlags("sensors", "[list|approve|revoke] [FLAGS] [SENSOR]", `  taproot sensors
  taproot sensors list --json
  taproot sensors approve ABCD-EFGH     after comparing the code with the sensor's console
  taproot sensors revoke 3f9c2a71       by the first digits of the id

RELEASE is what it runs, UPDATE what the collector has offered it or what failed there. LOST are records that
will never be stored, WAITING those in the sensor's RAM when it last said so, UNSEEN frames that it could not
look at; QUOTA says if it brings more than its share and is slowed down. --json has every reason and more.
`, stdout)
	data := dataFlag(fs)
	asJSON := fs.Bool("json", false, "print JSON")
	verb := "list"
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		verb, args = args[0], args[1:]
	}
	want := 1
	if verb == "list" {
		want = 0
	}
	if err := parse(fs, args, want); err != nil {
		return err
	}
	c := control.NewClient(*data)
	var decide func(context.Context, string, string) (fleet.Sensor, error)
	switch verb {
	case "list":
		list, err := c.Sensors(ctx)
		if err != nil {
			return err
		}
		if *asJSON {
			return writeJSON(stdout, list)
		}
		return printSensors(stdout, stderr, list)
	case "approve":
		decide = c.Approve
	case "revoke":
		decide = c.Revoke
	default:
		return fmt.Errorf("sensors: unknown word %q; say list, approve or revoke", verb)
	}
	s, err := decide(ctx, fs.Arg(0), whoami())
	if err != nil {
		return err
	}
	if *asJSON {
		return writeJSON(stdout, s)
	}
	fmt.Fprintf(stdout, "%s  %s  %s\n", s.Code, s.ID[:16], s.State)
	return nil
}

func printSensors(stdout, stderr io.Writer, list []control.Sensor) error {
	if len(list) == 0 {
		fmt.Fprintln(stderr, "no sensor has reached this collector yet")
		return nil
	}
	tw := tabwriter.NewWriter(stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "CODE\tSENSOR\tSTATE\tEVIDENCE\tBOARD\tHOST\tADDRESS\tLAST SEEN\tRELEASE\tUPDATE\tLOST\tWAITING\tUNSEEN\tQUOTA")
	for _, s := range list {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\n", s.Code, s.ID[:16], s.State, s.Evidence,
			printable(s.Claims["board"]), printable(s.Claims["host"]), s.Address, s.LastSeen.Local().Format(time.DateTime),
			printable(running(&s)), printable(update(s.Update)), s.Loss.Records, s.Loss.Waiting, s.Loss.Frames, quotaText(&s.Quota))
	}
	return tw.Flush()
}

// running returns the release that a sensor runs: by what it asked with, which
// is checked against the signed ones, or by its own word.
func running(s *control.Sensor) string {
	if s.Update != nil {
		return s.Update.Runs
	}
	return s.Claims["release"]
}

// update says how a sensor's updates stand.
func update(u *rollout.UnitStatus) string {
	switch {
	case u == nil:
		return ""
	case u.Offered != "":
		return u.Offered + " offered"
	case len(u.Failed) > 0:
		return strings.Join(u.Failed, ",") + " failed"
	}
	return "none"
}

func quotaText(u *quota.Usage) string {
	switch {
	case u.Slowed && u.Refused > 0:
		return fmt.Sprintf("slowed, %d refused", u.Refused)
	case u.Slowed:
		return "slowed"
	case u.Refused > 0:
		return fmt.Sprintf("%d refused", u.Refused)
	}
	return "-"
}

// printable keeps what a sensor says of itself from speaking to the terminal.
func printable(s string) string {
	if s == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '.'
		}
		return r
	}, s)
}

// whoami names the person at the prompt for the registry.
func whoami() string {
	u, err := user.Current()
	if err != nil {
		return "unknown"
	}
	return u.Username
}

// defaultData is where a collector keeps its data unless told otherwise.
const defaultData = "taproot-data"

// dataFlag adds the flag that says which collector is meant.
func dataFlag(fs *flag.FlagSet) *string {
	return fs.String("data", defaultData, "data directory `DIR` of the collector")
}

// parse parses the flags of a command that takes want further arguments;
// flags may stand before and after them.
func parse(fs *flag.FlagSet, args []string, want int) error {
	if err := fs.Parse(args); err != nil {
		return hint(fs, err)
	}
	var rest []string
	for fs.NArg() > 0 {
		rest = append(rest, fs.Arg(0))
		if err := fs.Parse(fs.Args()[1:]); err != nil {
			return hint(fs, err)
		}
	}
	if len(rest) != want {
		return hint(fs, fmt.Errorf("%d arguments, want %d", len(rest), want))
	}
	return fs.Parse(append([]string{"--"}, rest...))
}

// hint says where help is, unless it was just given.
func hint(fs *flag.FlagSet, err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	return fmt.Errorf("%s: %w; \"%s --help\" has examples", strings.TrimPrefix(fs.Name(), "taproot "), err, fs.Name())
}
