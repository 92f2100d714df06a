#!/bin/sh
# Before a removal ("remove" in Debian's words, 0 in RPM's): no timer stays that starts what is gone.
case "$1" in
  remove | 0)
    if [ -d /run/systemd/system ]; then
      systemctl disable --now acmectl-renew.timer || true
    fi
    ;;
esac
