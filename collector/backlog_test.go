package collector

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	tests := []struct {
		name string
		used time.Duration
		left int64 // of 1000
		want bool
	}{
		{"too early to tell", 2 * time.Second, 1000, false},
		{"as good as done", 6 * time.Second, 10, false},
		{"24 s to go", 6 * time.Second, 800, false},
		{"34 s to go", 6 * time.Second, 850, true},
		{"no step in 6 s", 6 * time.Second, 1000, true},
		{"all is read, the files are being finished", 40 * time.Second, 0, false},
		{"and that never ends", time.Minute, 0, true},
	}
	for _, tt := range tests {
		began := time.Now()
		if got := (pace{began, 1000}).hopeless(began.Add(tt.used), tt.left); got != tt.want {
			t.Errorf("%s: hopeless = %v, want %v", tt.name, got, tt.want)
		}
	}
}
