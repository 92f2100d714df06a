/** What `config init` writes: valid as it is, and an example where the `#` in the first column is taken away. */
export const starter = `## Configuration of acmectl. Remove the # before what you need; lines with two are explanations.
## Check it with \`acmectl config validate\`; editors take \`acmectl config schema\`.

## CAs with their accounts. The server is a preset (letsencrypt, letsencrypt-staging, zerossl, …) or a directory URL.
#issuers:
#  letsencrypt:
#    server: letsencrypt
#    email: ops@example.com
#    agreeTos: true
#  staging: { server: letsencrypt-staging, agreeTos: true }

## Solvers that answer challenges. \`use\` names the plugin (acmectl solvers list), the rest are its options (acmectl solvers show NAME).
## A secret is best a reference: env:NAME, file:/path or cmd:program args.
#solvers:
#  web:
#    use: webroot
#    directory: /var/www/html
#    select: { zones: [example.com] }
#  alone: { use: standalone }

## Defaults for all certificates.
#defaults:
#  issuer: letsencrypt
#  keyType: ec256

## Certificates. A name that begins with * needs quotes.
#certificates:
#  shop:
#    domains: [shop.example.com, www.example.com]
#    solvers: [web]
#    files:
#      fullchain: /etc/ssl/shop/fullchain.pem
#      key: /etc/ssl/shop/privkey.pem
#    deploy: [{ run: "systemctl reload nginx", timeout: 1m }]

## Notifications of failures, expiry and recovery; try them with \`acmectl notify test\`.
#notify:
#  ops: { email: ops@example.com }
#  chat: { slack: "env:SLACK_WEBHOOK", events: [failure, deploy] }

## How acmectl checks dns-01 records before it asks the CA.
#dns:
#  timeout: 5m
`;
