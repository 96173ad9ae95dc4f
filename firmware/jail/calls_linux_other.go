//go:build linux && !amd64 && !arm64 && !arm

package jail

// No board has this architecture: there is no filter for it.
const auditArch = 0

var archCalls []call
