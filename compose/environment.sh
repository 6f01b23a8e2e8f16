#!/bin/sh
# What the image has below /opt/passerelle: our packages and the locked ones, nothing that only builds or tests.
#   sh compose/environment.sh /opt/passerelle [python3.11]       from the project's root
# The same sources and lock give the same bytes: no time stamps in byte code, no caches, no installer left behind.
set -eu
prefix=$1
python=${2:-python3.11}
export PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
"$python" -m venv "$prefix"
"$prefix/bin/pip" install --quiet --no-compile --require-hashes -r requirements/runtime.lock
"$prefix/bin/pip" install --quiet --no-compile --no-deps --no-build-isolation .
"$prefix/bin/pip" uninstall --quiet --yes setuptools pip
packages=$("$prefix/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# Liquid formats numbers and dates by Babel; of its 1,000 locales those that a gateway's policies can name stay.
find "$packages/babel/locale-data" -name '*.dat' ! -name 'root.dat' ! -name 'en*.dat' -delete
find "$packages" -type d \( -name tests -o -name test -o -name testing \) -path '*/site-packages/*' \
  ! -path '*/opentelemetry/*' -prune -exec rm -rf {} +
find "$packages" -name '*.so*' -type f -exec strip --strip-unneeded {} + 2>/dev/null || true
find "$packages" \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' \) -delete
rm -rf build ./*.egg-info
"$prefix/bin/python" -m compileall -q -j 0 --invalidation-mode unchecked-hash "$packages"
