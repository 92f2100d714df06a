/** RFC 8555 §8.3: a key authorization is the token, a dot and the thumbprint, which needs no state to be put together. */
export function snippets(thumbprint: string): Readonly<Record<string, string>> {
  return {
    nginx: `location ~ "^/\\.well-known/acme-challenge/([-_a-zA-Z0-9]+)$" {
    default_type text/plain;
    return 200 "$1.${thumbprint}";
}`,
    apache: `<LocationMatch "^/\\.well-known/acme-challenge/(?<token>[-_a-zA-Z0-9]+)$">
    RewriteEngine On
    RewriteRule ^ - [R=200,L]
    ErrorDocument 200 "%{ENV:MATCH_TOKEN}.${thumbprint}"
</LocationMatch>`,
    haproxy: `http-request return status 200 content-type text/plain lf-string "%[path,field(-1,/)].${thumbprint}" if { path_reg ^/\\.well-known/acme-challenge/[-_a-zA-Z0-9]+$ }`,
    caddy: `@acme path_regexp token ^/\\.well-known/acme-challenge/([-_a-zA-Z0-9]+)$
handle @acme {
    respond "{re.token.1}.${thumbprint}"
}`,
  };
}
