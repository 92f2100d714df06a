#!/bin/sh
# After an installation or an upgrade: systemd reads the units.
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload || true
fi
