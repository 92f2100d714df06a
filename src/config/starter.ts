/** What `config init` writes: valid as it is, and an example where the `#` in the first column is taken away. */
export const starter = `## Configuration of acmectl. Remove the # before what you need; lines with two are explanations.
## Check it with \`acmectl config validate\`; editors take \`acmectl config schema\`.

## CAs and the accounts there. The server is a preset (letsencrypt, letsencrypt-staging, zerossl, …) or a directory URL.
#issuers:
#  letsencrypt:
#    server: letsencrypt
#    email: ops@example.com
#    agreeTos: true
#  staging: { server: letsencrypt-staging, agreeTos: true }

## What answers challenges. \`use\` names the plugin (acmectl solvers list), the rest are its options (acmectl solvers show NAME).
## A secret is best a reference: env:NAME, file:/path or cmd:program args.
#solvers:
#  web:
#    use: webroot
#    directory: /var/www/html
#    select: { zones: [example.com] }
#  alone: { use: standalone }

## What holds for every certificate that does not say otherwise.
#defaults:
#  issuer: letsencrypt
#  keyType: ec256

## What is wanted. A name that begins with * needs quotes.
#certificates:
#  shop:
#    domains: [shop.example.com, www.example.com]
#    solvers: [web]
#    files:
#      fullchain: /etc/ssl/shop/fullchain.pem
#      key: /etc/ssl/shop/privkey.pem
#    deploy: [{ run: "systemctl reload nginx", timeout: 1m }]

## How dns-01 answers are waited for.
#dns:
#  timeout: 5m
`;
