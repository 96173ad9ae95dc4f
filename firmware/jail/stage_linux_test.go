package jail

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// TestMain is also the stage: the test binary starts itself as one.
func TestMain(m *testing.M) {
	switch os.Getenv("TAPROOT_TEST_STAGE") {
	case "":
		os.Exit(m.Run())
	case "jailed":
		jailed()
	case "landlocked":
		landlocked()
	case "attacks":
		shutIn(attacks)
	case "metered":
		shutIn(metered)
	case "x32":
		shutIn(x32Call)
	case "crash":
		Supervisor().Beat()
		os.Exit(3)
	case "silent":
		Supervisor().Beat()
		time.Sleep(time.Hour)
	case "expendable":
		for {
			if score, err := os.ReadFile("/proc/self/oom_score_adj"); err == nil && string(score) == "1000\n" {
				Supervisor().Beat()
			}
			time.Sleep(10 * time.Millisecond)
		}
	case "steady":
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		Supervisor().Clock(90 * time.Second)
		Supervisor().Stored()
		Supervisor().Waiting()
		for {
			Supervisor().Beat()
			select {
			case <-term:
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
}

func testStage(t *testing.T, mode string) *Stage {
	return &Stage{
		Name: mode,
		Command: func() (*exec.Cmd, error) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "TAPROOT_TEST_STAGE="+mode)
			return cmd, nil
		},
		Silence: 10 * time.Second,
		Grace:   10 * time.Second,
		Log:     slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

// runUntil runs s until ok, then ends it and returns what Run returned.
func runUntil(t *testing.T, s *Stage, ok func() bool) error {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatal("nothing happened in 20 s")
		}
		time.Sleep(5 * time.Millisecond)
	}
	cancel()
	return <-done
}

func TestStageRestartsAfterCrash(t *testing.T) {
	s := testStage(t, "crash")
	runUntil(t, s, func() bool { return s.Crashes() >= 3 })
	if s.Silences() != 0 || !s.Alive(time.Minute) {
		t.Errorf("got %d silences, alive %v; want 0, true", s.Silences(), s.Alive(time.Minute))
	}
}

func TestStageKilledWhenSilent(t *testing.T) {
	s := testStage(t, "silent")
	s.Silence = 300 * time.Millisecond
	runUntil(t, s, func() bool { return s.Silences() >= 2 })
	if s.Alive(time.Nanosecond) {
		t.Error("a silent stage counts as alive")
	}
}

func TestStageEndsWhenAsked(t *testing.T) {
	s := testStage(t, "steady")
	offset := make(chan time.Duration, 1)
	s.Clock = func(d time.Duration) { offset <- d }
	stored := make(chan bool, 1)
	s.Stored = func() { stored <- true }
	waiting := make(chan bool, 1)
	s.Waiting = func() { waiting <- true }
	err := runUntil(t, s, func() bool { return s.Alive(time.Minute) })
	if err != nil || s.Crashes() != 0 {
		t.Errorf("got %v and %d crashes, want an orderly end", err, s.Crashes())
	}
	if got := <-offset; got != 90*time.Second {
		t.Errorf("clock offset: got %s, want 1m30s", got)
	}
	if !<-stored {
		t.Error("it is not heard that a batch is stored")
	}
	if !<-waiting {
		t.Error("it is not heard that the sensor waits for approval")
	}
}

// TestStageExpendable has a stage beat once it is the first to be killed.
func TestStageExpendable(t *testing.T) {
	s := testStage(t, "expendable")
	s.Expendable, s.Grace = true, 100*time.Millisecond
	runUntil(t, s, func() bool { return s.Alive(time.Minute) })
}

func TestStageWithoutProgram(t *testing.T) {
	s := testStage(t, "")
	s.Command = func() (*exec.Cmd, error) { return exec.Command("/nonexistent"), nil }
	runUntil(t, s, func() bool { return s.Crashes() >= 2 })
}
