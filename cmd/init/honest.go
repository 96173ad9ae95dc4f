//go:build linux && !compromised

package main

// tryToEscape does nothing: meter is honest. The build tag compromised makes
// images in which it is not.
func tryToEscape(int) {}
