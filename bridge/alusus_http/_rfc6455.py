"""Numbers that RFC 6455 gives to what is sent over WebSockets."""

from __future__ import annotations

# Opcodes (section 5.2)
TEXT, BINARY, PING = 1, 2, 9

# Close codes (section 7.4.1, and the registry of section 11.7)
NORMAL = 1000
GOING_AWAY = 1001
NO_STATUS = 1005  # never sent: the close frame had none
ABNORMAL = 1006  # never sent: there was no close frame
TOO_BIG = 1009
INTERNAL_ERROR = 1011
TRY_AGAIN_LATER = 1013
