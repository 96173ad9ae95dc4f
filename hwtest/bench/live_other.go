//go:build !linux

package main

import (
	"context"
	"errors"
	"io"
)

var errLinux = errors.New("a live port needs Linux")

const (
	liveWord = "live"
	sendWord = "send"
)

func live(context.Context, io.Writer) error                { return errLinux }
func meterLive(context.Context, []string, io.Writer) error { return errLinux }
func send(context.Context, []string, io.Writer) error      { return errLinux }
