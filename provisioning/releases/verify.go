package releases

import (
	"fmt"
	"os"

	"github.com/taproot-sensor/taproot/wire/release"
)

// verify reads what is to be published as a sensor with the first root does, so
// that what sensors would refuse is not published.
func (r *Repo) verify() error {
	read := func(role string, version int64) ([]byte, error) {
		return os.ReadFile(r.path(release.MetadataName(role, version)))
	}
	root, err := read(release.RoleRoot, 1)
	if err != nil {
		return err
	}
	trust, err := release.NewTrust(root)
	if err != nil {
		return err
	}
	take := func(role string, version int64, update func([]byte) error) error {
		data, err := read(role, version)
		if err != nil {
			return err
		}
		return update(data)
	}
	for trust.NextRoot() <= r.root.Signed.Version {
		if err := take(release.RoleRoot, trust.NextRoot(), trust.UpdateRoot); err != nil {
			return err
		}
	}
	if err := take(release.RoleTimestamp, 0, trust.UpdateTimestamp); err != nil {
		return err
	}
	if err := take(release.RoleSnapshot, trust.SnapshotVersion(), trust.UpdateSnapshot); err != nil {
		return err
	}
	for _, role := range []string{release.RoleTargets, release.Role} {
		if err := take(role, trust.TargetsVersion(role), func(data []byte) error { return trust.UpdateTargets(role, data) }); err != nil {
			return err
		}
	}
	for name := range r.releases.Signed.Targets {
		if _, err := trust.Target(name); err != nil {
			return fmt.Errorf("target %q: %w", name, err)
		}
	}
	return nil
}
