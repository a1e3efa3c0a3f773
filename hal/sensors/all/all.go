package all

import (
	_ "wayside/hal/bus/i2c"
	_ "wayside/hal/bus/i2csim"
	_ "wayside/hal/bus/modbus"
	_ "wayside/hal/outputs/sim"
	_ "wayside/hal/sensors/ads1115"
	_ "wayside/hal/sensors/bme280"
	_ "wayside/hal/sensors/csv"
	_ "wayside/hal/sensors/modbus"
	_ "wayside/hal/sensors/siminput"
)
