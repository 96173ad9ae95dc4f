package board

// A Region is one partition of a board's disk. Regions are kept in the order
// they lie on the disk.
type Region struct {
	Name  string `json:"name"`
	Type  string `json:"type"` // GPT partition type, a GUID
	Start int64  `json:"start"`
	Size  int64  `json:"size"`
}

// GPT partition types. Journal is taproot's own.
const (
	TypeESP     = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
	TypeJournal = "B8A3F2C4-6D0E-4B52-9A7C-7461726F6F74"
)

const mib = 1 << 20

// abDisk lays out a disk with two slots of slotSize bytes and the journal of
// boot state behind them. The first MiB is the partition table's.
func abDisk(slotSize int64) []Region {
	return []Region{
		{Name: "slot-a", Type: TypeESP, Start: 1 * mib, Size: slotSize},
		{Name: "slot-b", Type: TypeESP, Start: 1*mib + slotSize, Size: slotSize},
		{Name: "journal", Type: TypeJournal, Start: 1*mib + 2*slotSize, Size: 1 * mib},
	}
}
