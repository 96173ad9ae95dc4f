package flight

import "time"

var start = time.Unix(1700000000, 0)
