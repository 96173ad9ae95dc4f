package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// benchReport is what bench fleet prints.
type benchReport struct {
	Sensors           int     `json:"sensors"`
	Seconds           float64 `json:"seconds"`
	JoinSeconds       float64 `json:"join_seconds,omitempty"`
	DatagramsPerSec   float64 `json:"datagrams_per_second"`
	BytesPerSec       float64 `json:"bytes_per_second"`
	RecordsPerSec     float64 `json:"records_stored_per_second"`
	LakePerSec        float64 `json:"records_in_parquet_per_second"`
	LakeBehind        uint64  `json:"lake_behind_bytes"`
	BytesPerRecord    float64 `json:"wire_bytes_per_record"`
	AckP50            float64 `json:"ack_p50_ms"`
	AckP99            float64 `json:"ack_p99_ms"`
	Lost              uint64  `json:"datagrams_lost"`
	LossShare         float64 `json:"loss_share"`
	Again             uint64  `json:"datagrams_sent_again"`
	KernelDrops       uint64  `json:"collector_kernel_drops"`
	CollectorCores    float64 `json:"collector_cores"`
	CollectorUsPerRec float64 `json:"collector_cpu_us_per_record"`
	CPUPerSensor      float64 `json:"collector_cpu_us_per_sensor_second"`
	CollectorRSS      int64   `json:"collector_rss_bytes"`
	HalfRSS           int64   `json:"collector_rss_bytes_at_half_time"`
	CollectorPeak     int64   `json:"collector_peak_rss_bytes"`
	FleetCores        float64 `json:"fleet_cores"`
	FleetRSS          int64   `json:"fleet_rss_bytes"`
}

// reportOf returns what happened from a to b.
func reportOf(sensors int, a, b *sample) *benchReport {
	s := b.at.Sub(a.at).Seconds()
	sent := b.counts.Datagrams - a.counts.Datagrams
	bytes := float64(b.counts.Bytes - a.counts.Bytes)
	records := float64(b.counts.Records - a.counts.Records)
	recordsPerBatch := records / max(float64(b.counts.Batches-a.counts.Batches), 1)
	cpu := (b.usage.cpu - a.usage.cpu).Seconds()
	latency := b.counts.Latency.Since(a.counts.Latency)
	ms := func(q float64) float64 { return float64(latency.Quantile(q)) / 1e6 }
	return &benchReport{
		Sensors: sensors, Seconds: s,
		DatagramsPerSec: float64(sent) / s, BytesPerSec: bytes / s, RecordsPerSec: records / s,
		LakePerSec: float64(b.counters["lake_batches"]-a.counters["lake_batches"]) * recordsPerBatch / s,
		LakeBehind: b.counters["lake_behind_bytes"], BytesPerRecord: bytes / max(records, 1),
		AckP50: ms(0.5), AckP99: ms(0.99),
		Lost: b.counts.Lost - a.counts.Lost, LossShare: float64(b.counts.Lost-a.counts.Lost) / max(float64(sent), 1),
		Again:       b.counts.Again - a.counts.Again,
		KernelDrops: b.counters["edge_drop_kernel"] - a.counters["edge_drop_kernel"], CollectorCores: cpu / s,
		CollectorUsPerRec: cpu * 1e6 / max(records, 1), CPUPerSensor: cpu * 1e6 / s / float64(sensors),
		CollectorRSS: b.usage.rss, CollectorPeak: b.usage.peak, FleetCores: (b.own.cpu - a.own.cpu).Seconds() / s, FleetRSS: b.own.rss,
	}
}

func (r *benchReport) line() string {
	return fmt.Sprintf("%.0f datagrams/s, %.0f records/s stored, %.0f in Parquet, ack p50 %.1f ms p99 %.1f ms, lost %d, collector %.2f cores %d MB",
		r.DatagramsPerSec, r.RecordsPerSec, r.LakePerSec, r.AckP50, r.AckP99, r.Lost, r.CollectorCores, r.CollectorRSS>>20)
}

func (r *benchReport) print(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(tw, name+"\t"+format+"\n", args...) }
	row("sensors", "%d, joined in %.1f s", r.Sensors, r.JoinSeconds)
	row("time", "%.1f s", r.Seconds)
	row("datagrams", "%.0f/s, %.1f MB/s", r.DatagramsPerSec, r.BytesPerSec/1e6)
	row("records stored", "%.0f/s, %.1f B on the wire for each", r.RecordsPerSec, r.BytesPerRecord)
	row("records in Parquet", "%.0f/s meanwhile, %.1f MB behind at the end", r.LakePerSec, float64(r.LakeBehind)/1e6)
	row("ack latency", "p50 %.1f ms, p99 %.1f ms", r.AckP50, r.AckP99)
	row("lost", "%d datagrams (%.4f %%); %d sent again; %d dropped by the kernel", r.Lost, 100*r.LossShare, r.Again, r.KernelDrops)
	row("collector", "%.2f cores: %.2f µs a record, %.1f µs a second for each sensor", r.CollectorCores, r.CollectorUsPerRec, r.CPUPerSensor)
	row("collector's memory", "%d MB, %d MB at half time, at most %d MB: %.1f KB for each sensor", r.CollectorRSS>>20, r.HalfRSS>>20, r.CollectorPeak>>20, float64(r.CollectorRSS)/1024/float64(r.Sensors))
	row("fleet", "%.2f cores, %d MB", r.FleetCores, r.FleetRSS>>20)
	return tw.Flush()
}
