"""How the driver speaks to controllers: Daybreak's modern API, and the northbound of OpenDaylight."""
