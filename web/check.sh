#!/usr/bin/env bash
# The page: that the committed file is the build of these sources, that its arithmetic is the program's, and the page in a real browser.
# Needs Node 20, the package registry, and the results of `cargo test -p coincide-cli --test it reference`; installs Debian's Chromium where there is none.
set -euo pipefail
cd "$(dirname "$0")"

npm ci --silent --no-audit --no-fund
npm run --silent types
git diff --exit-code --stat -- src/results.ts || { echo "src/results.ts is not made from schema/results.schema.json: run npm run types" >&2; exit 1; }
npx tsc
built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
npx vite build --logLevel error --outDir "$built" --emptyOutDir
cmp "$built/index.html" ../crates/coincide-report/page/index.html || { echo "crates/coincide-report/page is not the build of web/: run npm run build" >&2; exit 1; }

rm -rf test/built
npx rolldown test/what_if.test.ts --file test/built/what_if.test.mjs --platform node --format esm --log-level warn >/dev/null
node --test test/built/

if [ ! -x "${CHROMIUM:-/usr/bin/chromium}" ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
fi
node --test test/browser.test.mjs
