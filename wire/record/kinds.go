package record

import (
	"fmt"
	"strings"
)

// kinds holds every kind this release defines, in the order that
// docs/records.md shows them.
var kinds = []*Def{
	FlowDef,
	DNSDef,
	TLSDef,
	X509Def,
	QUICDef,
	HTTPDef,
	SSHDef,
	DHCPDef,
	ARPDef,
	ICMPDef,
	NDPDef,
	DHCP6Def,
	NTPDef,
	NamesDef,
	SSDPDef,
	SNMPDef,
	LLDPDef,
	STPDef,
	SMBDef,
	MQTTDef,
	ModbusDef,
	DNP3Def,
	S7Def,
	ENIPDef,
	BACnetDef,
	AssetDef,
	WeirdDef,
	LayerDef,
	SensorDef,
}

// Kinds returns the definition of every kind.
func Kinds() []*Def { return kinds }

// Lookup returns the definition of kind, or nil.
func Lookup(kind string) *Def {
	for _, d := range kinds {
		if d.Kind == kind {
			return d
		}
	}
	return nil
}

// DefaultKinds stands for all kinds that a sensor sends unless told otherwise:
// every one but layer, which is many times as much as all others together.
const DefaultKinds = "default"

// ParseKinds returns the names of the kinds in a list, in which DefaultKinds
// may stand. An empty list is DefaultKinds.
func ParseKinds(list []string) (map[string]bool, error) {
	if len(list) == 0 {
		list = []string{DefaultKinds}
	}
	chosen := make(map[string]bool)
	for _, name := range list {
		switch {
		case name == DefaultKinds:
			for _, d := range kinds {
				if d != LayerDef {
					chosen[d.Kind] = true
				}
			}
		case Lookup(name) == nil:
			return nil, fmt.Errorf("no kind %q; there are %s, and %q for all but layer", name, strings.Join(names(), ", "), DefaultKinds)
		default:
			chosen[name] = true
		}
	}
	return chosen, nil
}

func names() (all []string) {
	for _, d := range kinds {
		all = append(all, d.Kind)
	}
	return all
}
