/**
 * acme.sh's functions for HTTP, by curl or wget. Headers and bodies are files of the private folder, since arguments show in `ps`;
 * wget takes no headers from a file.
 */
export const httpFunctions = String.raw`
[ -n "$USER_AGENT" ] || USER_AGENT=acmectl
HTTP_HEADER=$ACMECTL_DEPLOY/headers
_resethttp() { _ACME_CURL= && _ACME_WGET=; }
_inithttp() {
  [ -n "$HTTP_HEADER" ] || HTTP_HEADER=$ACMECTL_DEPLOY/headers
  [ -n "$_ACME_CURL$_ACME_WGET" ] && return
  if _exists curl && [ -z "$ACME_USE_WGET" ]; then
    _ACME_CURL="curl --silent --globoff --dump-header $HTTP_HEADER"
    [ -n "$ACME_HTTP_NO_REDIRECTS" ] || _ACME_CURL="$_ACME_CURL --location"
    [ -z "$CA_BUNDLE" ] || _ACME_CURL="$_ACME_CURL --cacert $CA_BUNDLE"
  elif _exists wget; then
    _ACME_WGET="wget --quiet --content-on-error --server-response"
    [ -z "$CA_BUNDLE" ] || _ACME_WGET="$_ACME_WGET --ca-certificate=$CA_BUNDLE"
  else
    _err "Neither curl nor wget was found. Install one of them." || return 1
  fi
}
_acmectl_request() (
  _inithttp || exit 1
  method=$1 url=$2 type=$3 limit=$4 body=$ACMECTL_DEPLOY/body
  : >"$ACMECTL_DEPLOY/request"
  for header in "$_H1" "$_H2" "$_H3" "$_H4" "$_H5"; do
    [ -z "$header" ] || printf '%s\n' "$header" >>"$ACMECTL_DEPLOY/request"
  done
  [ -z "$type" ] || printf 'Content-Type: %s\n' "$type" >>"$ACMECTL_DEPLOY/request"
  set --
  if [ -n "$_ACME_CURL" ]; then
    [ -z "$HTTPS_INSECURE" ] || set -- "$@" --insecure
    [ -z "$limit" ] || set -- "$@" --connect-timeout "$limit"
    [ ! -s "$body" ] || set -- "$@" --data-binary "@$body"
    if [ "$method" = HEAD ]; then set -- "$@" --head; else set -- "$@" --request "$method"; fi
    $_ACME_CURL --user-agent "$USER_AGENT" --header "@$ACMECTL_DEPLOY/request" "$@" "$url"
    code=$?
    [ "$code" = 0 ] || _err "curl failed with exit code $code for $url" || exit "$code"
    exit
  fi
  [ -z "$HTTPS_INSECURE" ] || set -- "$@" --no-check-certificate
  [ -z "$limit" ] || set -- "$@" "--timeout=$limit"
  while IFS= read -r header; do set -- "$@" --header "$header"; done <"$ACMECTL_DEPLOY/request"
  if [ "$method" = HEAD ]; then set -- "$@" --spider; else set -- "$@" "--method=$method"; fi
  [ ! -s "$body" ] || set -- "$@" "--body-file=$body"
  $_ACME_WGET --user-agent="$USER_AGENT" "$@" --output-document=- "$url" 2>"$HTTP_HEADER"
  code=$?
  _sed_i 's/^ *//' "$HTTP_HEADER"
  [ "$method" != HEAD ] || cat "$HTTP_HEADER"
  [ "$code" = 0 ] || [ "$code" = 8 ] || _err "wget failed with exit code $code for $url" || exit "$code"
)
_post() {
  case $1 in @*) cat -- "$(printf '%s' "$1" | cut -c 2-)" ;; *) printf '%s' "$1" ;; esac >"$ACMECTL_DEPLOY/body"
  _acmectl_method=$4
  [ -n "$4" ] || _acmectl_method=POST
  if [ -n "$3" ]; then
    response=$(_acmectl_request "$_acmectl_method" "$2" "$5" | _base64)
  else
    response=$(_acmectl_request "$_acmectl_method" "$2" "$5")
  fi
  _ret=$?
  printf '%s' "$response"
  return "$_ret"
}
_get() {
  : >"$ACMECTL_DEPLOY/body"
  if [ -n "$2" ]; then _acmectl_request HEAD "$1" "" "$3"; else _acmectl_request GET "$1" "" "$3"; fi
}
`;
