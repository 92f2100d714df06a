/**
 * The functions and variables that acme.sh gives to its deploy scripts, written anew for a POSIX shell. Values that a script
 * saves are files named after them, in `domain` or `account` of the private folder `ACMECTL_DEPLOY`. No parameter has braces,
 * which would end the template.
 */
export const functions = String.raw`
[ -n "$DEBUG" ] || DEBUG=0
[ -n "$ACME_OPENSSL_BIN" ] || ACME_OPENSSL_BIN=openssl

_acmectl_print() {
  if [ -n "$2" ]; then printf '%s\n' "$1='$2'"; else printf '%s\n' "$1"; fi
}
_acmectl_trace() {
  _acmectl_level=$1
  shift
  if [ "$DEBUG" -ge "$_acmectl_level" ] 2>/dev/null; then _acmectl_print "$@" >&2; fi
}
_info() { _acmectl_print "$@"; }
_err() {
  _acmectl_print "$@" >&2
  return 1
}
_usage() { _acmectl_print "$@" >&2; }
_debug() { _acmectl_trace 1 "$@"; }
_debug2() { _acmectl_trace 2 "$@"; }
_debug3() { _acmectl_trace 3 "$@"; }
_secure_debug() { _acmectl_trace 1 "$1" "[hidden]"; }
_secure_debug2() { _acmectl_trace 2 "$1" "[hidden]"; }
_secure_debug3() { _acmectl_trace 3 "$1" "[hidden]"; }
__green() { printf '%s' "$1"; }
__red() { printf '%s' "$1"; }
__yellow() { printf '%s' "$1"; }

_acmectl_save() {
  case $2 in '' | *[!A-Za-z0-9_]*) _err "Cannot save $2: it is not the name of a variable." || return 1 ;; esac
  printf '%s' "$3" >"$ACMECTL_DEPLOY/$1/$2"
}
_acmectl_read() { if [ -f "$ACMECTL_DEPLOY/$1/$2" ]; then cat "$ACMECTL_DEPLOY/$1/$2"; fi; }
_acmectl_clear() { rm -f "$ACMECTL_DEPLOY/$1/$2"; }
_savedomainconf() { _acmectl_save domain "$1" "$2"; }
_readdomainconf() { _acmectl_read domain "$1"; }
_cleardomainconf() { _acmectl_clear domain "$1"; }
_saveaccountconf() { _acmectl_save account "$1" "$2"; }
_readaccountconf() { _acmectl_read account "$1"; }
_clearaccountconf() { _acmectl_clear account "$1"; }
_saveaccountconf_mutable() {
  _acmectl_save account "SAVED_$1" "$2" && _acmectl_clear account "$1"
}
_readaccountconf_mutable() { _acmectl_read account "SAVED_$1"; }
_clearaccountconf_mutable() {
  _acmectl_clear account "SAVED_$1"
  _acmectl_clear account "$1"
}
_savedeployconf() {
  _acmectl_save domain "SAVED_$1" "$2" && _acmectl_clear domain "$1"
}
_cleardeployconf() {
  _acmectl_clear domain "SAVED_$1"
  _acmectl_clear domain "$1"
}
_getdeployconf() {
  eval "_acmectl_value=\$$1"
  if [ -z "$_acmectl_value" ]; then
    _acmectl_value=$(_acmectl_read domain "SAVED_$1")
  else
    case $_acmectl_value in '"'*'"') _acmectl_value=$(printf '%s' "$_acmectl_value" | sed '1s/^"//;$s/"$//') ;; esac
  fi
  eval "$1=\$_acmectl_value"
  export "$1"
}
_migratedomainconf() {
  _acmectl_value=$(_acmectl_read domain "$1")
  _acmectl_clear domain "$1"
  if [ -z "$_acmectl_value" ] || [ -n "$(_acmectl_read domain "$2")" ]; then return 1; fi
  _acmectl_save domain "$2" "$_acmectl_value"
}
_migratedeployconf() {
  _migratedomainconf "$1" "SAVED_$2" || _migratedomainconf "SAVED_$1" "SAVED_$2"
}

_exists() { command -v "$1" >/dev/null 2>&1; }
_contains() { printf '%s\n' "$1" | grep -- "$2" >/dev/null 2>&1; }
_startswith() { case $1 in "$2"*) ;; *) return 1 ;; esac; }
_endswith() { case $1 in *"$2") ;; *) return 1 ;; esac; }
_upper_case() { tr '[:lower:]' '[:upper:]'; }
_lower_case() { tr '[:upper:]' '[:lower:]'; }
_egrep_o() { grep -E -o -- "$1" 2>/dev/null; }
_head_n() { head -n "$1"; }
_tail_n() { tail -n "$1"; }
_math() { printf '%s' "$(($*))"; }
_sleep() { sleep "$1"; }
_time() { date -u +%s; }
_utc_date() { date -u '+%Y-%m-%d %H:%M:%S'; }
_date2time() {
  _acmectl_date=$(printf '%s' "$1" | tr T ' ' | tr -d Z)
  date -u -d "$_acmectl_date" +%s 2>/dev/null || date -u -j -f '%Y-%m-%d %H:%M:%S' "$_acmectl_date" +%s
}
_mktemp() { mktemp "$ACMECTL_DEPLOY/temporary.XXXXXX"; }
_stat() { stat -c %U:%G "$1" 2>/dev/null || stat -f %Su:%Sg "$1"; }
_sed_i() {
  _acmectl_text=$(sed "$1" "$2") && printf '%s\n' "$_acmectl_text" >"$2"
}
_getfield() {
  _acmectl_separator=$3
  [ -n "$3" ] || _acmectl_separator=,
  _acmectl_place=$2
  while [ "$_acmectl_place" -gt 0 ]; do
    _acmectl_value=$(printf '%s\n' "$1" | cut -d "$_acmectl_separator" -f "$_acmectl_place")
    if [ -n "$_acmectl_value" ]; then printf '%s' "$_acmectl_value" && return 0; fi
    _acmectl_place=$((_acmectl_place - 1))
  done
  printf '%s' "$1"
}
_setopt() {
  [ -f "$1" ] || (umask 077 && : >"$1")
  for _acmectl_start in "$2$3" "#$2$3"; do
    grep "^$_acmectl_start" "$1" >/dev/null || continue
    _acmectl_text=$(ACMECTL_LINE="$2$3$4$5" awk -v start="$_acmectl_start" \
      'index($0, start) == 1 { print ENVIRON["ACMECTL_LINE"]; next } { print }' "$1")
    printf '%s\n' "$_acmectl_text" >"$1"
    return
  done
  [ -z "$(tail -c 1 "$1")" ] || echo >>"$1"
  printf '%s\n' "$2$3$4$5" >>"$1"
}

_hex_dump() { od -A n -v -t x1 | tr '\t\n' '  ' | tr -s ' ' | sed 's/ $//'; }
_h2b() {
  for _acmectl_byte in $(tr -d ' \r\n' | sed 's/../& /g'); do
    printf "\\$(printf '%03o' "0x$_acmectl_byte")"
  done
}
_url_encode() {
  od -A n -v -t x1 | awk -v upper="$1" '
    BEGIN { for (i = 33; i < 127; i++) { c = sprintf("%c", i); if (c ~ /[A-Za-z0-9_.~-]/) plain[sprintf("%02x", i)] = c } }
    { for (i = 1; i <= NF; i++) printf "%s", ($i in plain) ? plain[$i] : "%" (upper == "" ? $i : toupper($i)) }'
}
_json_encode() { sed 's/"/\\"/g' | tr -d '\r' | awk '{ printf "%s\\n", $0 }'; }
_json_decode() { sed 's#\\/#/#g'; }
_normalizeJson() { sed 's/^ *//;s/" *: *\(["{[]\)/":\1/g' | tr -d '\r\n'; }
_base64() {
  if [ -n "$1" ]; then "$ACME_OPENSSL_BIN" base64 -e; else "$ACME_OPENSSL_BIN" base64 -e | tr -d '\r\n'; fi
}
_dbase64() {
  if [ -n "$1" ]; then "$ACME_OPENSSL_BIN" base64 -d; else "$ACME_OPENSSL_BIN" base64 -d -A; fi
}
_url_replace() { tr '/+' '_-' | tr -d '= '; }
_digest() {
  if [ -n "$2" ]; then "$ACME_OPENSSL_BIN" dgst "-$1" -hex | sed 's/^.*= *//'; else "$ACME_OPENSSL_BIN" dgst "-$1" -binary | _base64; fi
}
_hmac() {
  if [ -n "$3" ]; then _hmac "$1" "$2" | _hex_dump | tr -d ' '; else "$ACME_OPENSSL_BIN" dgst "-$1" -mac HMAC -macopt "hexkey:$2" -binary; fi
}
_fingerprint() { "$ACME_OPENSSL_BIN" x509 -in "$1" -noout -fingerprint "-$2" | sed 's/.*=//;s/://g'; }
_checkcert() { "$ACME_OPENSSL_BIN" x509 -noout -text -in "$1" >/dev/null 2>&1; }
_isRSA() { "$ACME_OPENSSL_BIN" rsa -in "$1" -noout >/dev/null 2>&1; }
_isEcc() { "$ACME_OPENSSL_BIN" ec -in "$1" -noout >/dev/null 2>&1; }
_isEccKey() { case $1 in '' | 1024 | 2048 | 3072 | 4096 | 8192) return 1 ;; esac; }
_toPkcs() {
  _acmectl_name=$6
  [ -n "$6" ] || _acmectl_name=$Le_Domain
  ACMECTL_PASSWORD=$5 "$ACME_OPENSSL_BIN" pkcs12 -export -out "$1" -inkey "$2" -in "$3" -certfile "$4" \
    -name "$_acmectl_name" -passout env:ACMECTL_PASSWORD
}

_findHook() {
  for _acmectl_file in "$_SCRIPT_HOME/$2/$3" "$_SCRIPT_HOME/$2/$3.sh" "$ACMECTL_SCRIPTS/$3.sh"; do
    if [ -f "$_acmectl_file" ]; then printf '%s' "$_acmectl_file" && return; fi
  done
}
_deploy() {
  for _acmectl_hook in $(printf '%s' "$2" | tr , ' '); do
    _acmectl_script=$(_findHook "$1" deploy "$_acmectl_hook")
    [ -n "$_acmectl_script" ] || _err "The deploy script $_acmectl_hook was not found." || return 1
    (
      . "$_acmectl_script" || exit 1
      "$_acmectl_hook"_deploy "$1" "$CERT_KEY_PATH" "$CERT_PATH" "$CA_CERT_PATH" "$CERT_FULLCHAIN_PATH" "$CERT_PFX_PATH"
    ) || return 1
  done
}
`;
