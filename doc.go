// Package taproot is empty: the module's rooms are below, and docs/architecture.md
// is their plan. Its test keeps the rooms apart.
package taproot
