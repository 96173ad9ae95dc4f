package collector

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/taproot-sensor/taproot/collector/edge"
	"github.com/taproot-sensor/taproot/provisioning"
	"github.com/taproot-sensor/taproot/wire/site"
)

func (c *collector) keyDir() string { return filepath.Join(c.Data, "keys") }

// boxKeys returns the site's box keys, those that were included.
func (c *collector) boxKeys() ([]edge.BoxKey, error) {
	retired, err := provisioning.LoadRetired(c.keyDir())
	if err != nil {
		return nil, err
	}
	var private [][32]byte
	for _, k := range append(retired, c.keys.Box) {
		private = append(private, k)
	}
	return edge.BoxKeys(c.keys.IdentityKey(), private, c.keys.Site("", nil).Next), nil
}

// followKeys takes the site's keys into s where s still has a box key that was
// handed over; it reports whether it had.
func (c *collector) followKeys(s *site.Site) (bool, error) {
	keys, err := c.boxKeys()
	if err != nil {
		return false, err
	}
	old := slices.ContainsFunc(keys, func(k edge.BoxKey) bool { return k.Handover != nil && site.Key(k.Public) == s.Box })
	if old {
		now := c.keys.Site("", nil)
		s.Box, s.Next = now.Box, now.Next
	}
	return old, nil
}

// handOver makes the site's next box key the one in use. HELLOs to the old one
// are answered with where to find the new.
func (c *collector) handOver() (site.Site, error) {
	c.keysMu.Lock()
	defer c.keysMu.Unlock()
	file := filepath.Join(c.Data, "site.toml")
	s, err := provisioning.LoadSite(file)
	if err != nil {
		return site.Site{}, err
	}
	keys, err := provisioning.HandOver(c.keyDir())
	if err != nil {
		return site.Site{}, err
	}
	c.keys = keys
	all, err := c.boxKeys()
	if err != nil {
		return site.Site{}, err
	}
	c.edge.SetBoxKeys(all)
	box := keys.BoxKey()
	c.Say("the site's box key is another now: %s; sensors follow by themselves, images made from now on know it", box)
	s.Box, s.Next = box, keys.Site("", nil).Next
	if err := provisioning.WriteSite(file, s); err != nil {
		return s, fmt.Errorf("the key was handed over, but: %w", err)
	}
	return s, nil
}

// rotate ends the epoch.
func (c *collector) rotate() {
	c.edge.Rotate()
	c.Say("the epoch key is gone; sensors move to a new one")
}
