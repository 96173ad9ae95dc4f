package collector

import (
	"context"
	"encoding/json"
	"io"
	"path/filepath"
	"time"

	"github.com/taproot-sensor/taproot/collector/query"
)

const (
	// sayEvery is how often who waits for the lake is told how far it is.
	sayEvery = 2 * time.Second
	// worthWaiting is how long a stop may still take, at the pace so far, for
	// the lake to reach the journal's end. What it lacks is still in the
	// journal, and the next start goes on with it.
	worthWaiting = 30 * time.Second
	// firstPace is how long a pace is measured before it is believed: the lake
	// may be finishing files, during which it reads nothing.
	firstPace = 6 * time.Second
	// muchBehind is how many bytes of the journal that the lake has not read are
	// a problem to be said: some ten seconds of as much as it takes.
	muchBehind = 256 << 20
	// maxStop bounds a stop all the same, as init systems do (systemd: 90 s).
	maxStop = time.Minute
)

// flush makes all that is durable visible. As long as that takes it calls each
// with how many bytes of the journal are still to be read; each may end it
// early with an error.
func (c *collector) flush(ctx context.Context, each func(behind int64) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- c.lake.Flush(ctx) }()
	tick := time.NewTicker(sayEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			if err := each(c.behind()); err != nil {
				stop()
				<-done
				return err
			}
		}
	}
}

func (c *collector) behind() int64 { return c.journal.Behind(c.lake.Read()) }

// query answers sql on out. While it waits for the lake it says so there.
func (c *collector) query(ctx context.Context, sql string, out io.Writer) error {
	err := c.flush(ctx, func(behind int64) error {
		line, err := json.Marshal(query.Wait{Behind: behind})
		if err == nil {
			_, err = out.Write(append(line, '\n'))
		}
		return err
	})
	if err != nil {
		return err
	}
	return query.Run(ctx, query.Options{LakeDir: filepath.Join(c.Data, "lake")}, sql, out)
}

// lastFlush makes Parquet of what is left, at a stop, if that is a matter of
// seconds. To leave it to the next start is no error.
func (c *collector) lastFlush(ctx context.Context) error {
	p := pace{began: time.Now(), first: c.behind()}
	left := false
	err := c.flush(ctx, func(behind int64) error {
		if left = p.hopeless(time.Now(), behind); left {
			return context.Canceled
		}
		c.Say("%d MB of the journal are still to become Parquet", behind>>20)
		return nil
	})
	if !left {
		return err
	}
	c.Say("%d MB of the journal are not Parquet yet: nothing is lost, the next start goes on with them", c.behind()>>20)
	return nil
}

// pace is how fast a backlog becomes shorter.
type pace struct {
	began time.Time
	first int64 // bytes when it began
}

// hopeless reports whether what is left will take too long.
func (p pace) hopeless(now time.Time, left int64) bool {
	used := now.Sub(p.began)
	return used >= maxStop || used >= firstPace && float64(left)*used.Seconds() > float64(p.first-left)*worthWaiting.Seconds()
}
