package record

// Sensor is one counter of the sensor itself: its health, and every drop by
// stage and reason. Counters run from the start of the stage; a value that
// falls means that the stage was restarted.
type Sensor struct {
	Time    Nanos  `col:"ts" ecs:"@timestamp" unit:"ns" doc:"when the counter was read"`
	Stage   string `col:"stage" doc:"who counts: init, board, capture, decode, flow, meter, spool, uplink"`
	Counter string `col:"counter" doc:"what is counted; drops read drop_REASON"`
	Value   int64  `col:"value" doc:"the counter, or the reading of a gauge"`
}

// SensorDef is the definition of kind "sensor".
var SensorDef = define[Sensor]("sensor", "One counter of the sensor itself: health, and every drop by stage and reason.")
