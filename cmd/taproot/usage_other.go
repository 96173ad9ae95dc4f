//go:build !linux

package main

import (
	"syscall"
	"time"
)

// processUse is what a process has used: not known here.
type processUse struct {
	cpu       time.Duration
	rss, peak int64
}

func usedBy(int) (processUse, error) { return processUse{}, nil }

func controlPID(string) (int, error) { return 0, nil }

func benchProcAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
