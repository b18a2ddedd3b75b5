#!/usr/bin/env bash
# kazoo's own test suite, unmodified, against Vivarium: it starts its servers itself, as
# `java ... zoo.cfg`, and finds tests/suites/java on PATH in the place of Java. The last lines are
# the suite's own.
#
#   tests/suites/kazoo.sh [ARGUMENTS OF PYTEST]
#   tests/suites/kazoo.sh kazoo/tests/test_sasl.py
#
# VIVARIUM names the binary (target/release/vivarium); SUITES the directory into which kazoo and
# what it needs are installed once (target/suites; python3 with venv and pip). The servers take the
# ports from 20000 on, and everything else of them is below TMPDIR. ZOOKEEPER=DIR runs the same
# against the Apache ZooKeeper whose jars are there, with the Java on PATH.
set -euo pipefail
cd "$(dirname "$0")/../.."

suites=$(realpath -m "${SUITES:-target/suites}")
VIVARIUM=$(realpath -m "${VIVARIUM:-target/release/vivarium}")
source=$suites/kazoo-2.11.0
if [[ ! -d $source ]]; then
    mkdir -p "$suites"
    python3 -m venv "$suites/python"
    # pyOpenSSL 24.0 is the last with which the suite makes its certificates.
    "$suites/python/bin/pip" --quiet download --no-deps --no-binary :all: --dest "$suites" \
        kazoo==2.11.0
    tar -x -f "$suites/kazoo-2.11.0.tar.gz" -C "$suites"
    "$suites/python/bin/pip" --quiet install "$source[test,sasl,eventlet,gevent]" pyopenssl==24.0.0
fi
if [[ -z ${ZOOKEEPER-} ]]; then
    if [[ ! -x $VIVARIUM ]]; then
        echo "VIVARIUM: found \`$VIVARIUM\`, allowed: a binary (cargo build --release)" >&2
        exit 2
    fi
    PATH=$PWD/tests/suites:$PATH
fi
export VIVARIUM PATH
export ZOOKEEPER_VERSION=3.9.5 ZOOKEEPER_PATH=${ZOOKEEPER:-$suites}
(($#)) || set -- kazoo/tests
cd "$source"
exec "$suites/python/bin/python" -m pytest -q --no-header --tb=short -o log_cli=false -rfEs "$@"
