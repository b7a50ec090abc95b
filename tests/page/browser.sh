#!/bin/sh
# What the dashboard's tests need: Chromium, by apt-get where this is root, and axe-core, by npm. Never fails: where one
# of them cannot be had, the tests that need it say so in one line.
here=$(dirname "$0")
exec 3>&1
{
    if ! command -v chromium && [ "$(id -u)" = 0 ] && command -v apt-get; then
        export DEBIAN_FRONTEND=noninteractive
        install="timeout 600 apt-get install --yes --no-install-recommends chromium"
        echo "Bringing Chromium for the dashboard's tests." >&3
        $install || { timeout 120 apt-get update && $install; }
    fi
    if command -v npm && ! cmp -s "$here/package-lock.json" "$here/node_modules/.brought"; then
        timeout 120 npm ci --prefix "$here" --ignore-scripts --no-audit --no-fund &&
            cp "$here/package-lock.json" "$here/node_modules/.brought"
    fi
} >/dev/null 2>&1
exit 0
