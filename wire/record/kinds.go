package record

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
