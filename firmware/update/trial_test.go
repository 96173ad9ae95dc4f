package update_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/taproot-sensor/taproot/firmware/update"
)

func TestTrial(t *testing.T) {
	all := []update.Proof{update.Up, update.Watchdog, update.Ports, update.Ring, update.Stored}
	for i := range len(all) + 1 {
		name, lacks := "all", ""
		if i < len(all) {
			name, lacks = "all but "+string(all[i]), string(all[i])
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var trial update.Trial
				go func() {
					for j, p := range all {
						time.Sleep(time.Second)
						if j != i {
							trial.Show(p)
							trial.Show(p)
						}
					}
				}()
				start := time.Now()
				err := trial.Wait(t.Context(), time.Minute)
				if lacks == "" && (err != nil || time.Since(start) != 5*time.Second) {
					t.Errorf("got %v after %v, want it confirmed with the last proof", err, time.Since(start))
				}
				if lacks != "" && (err == nil || !strings.HasSuffix(err.Error(), "not seen: "+lacks)) {
					t.Errorf("got %v, want an error that names %q alone", err, lacks)
				}
				time.Sleep(time.Minute)
			})
		})
	}
}
