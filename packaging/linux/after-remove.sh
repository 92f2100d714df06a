#!/bin/sh
# After a removal: systemd forgets the units.
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
fi
