#!/usr/bin/env bash
# Makes src/protocol/fixtures/ anew from Kafka's own jars. Needs Java 17, Maven, and network access to Maven Central.
set -euo pipefail
cd "$(dirname "$0")"
for version in 4.4.0 3.9.1; do
  profile=$([ $version = 4.4.0 ] && echo -Precords || echo "")
  mvn -q $profile -Dkafka.version=$version dependency:copy-dependencies -DoutputDirectory="target/jars-$version"
  # A wildcard is expanded by java itself; the generator needs the list to find the definitions.
  java -cp "$(echo target/jars-$version/*.jar | tr ' ' ':')" Fixtures.java "target/out-$version"
done
../../node_modules/.bin/node pack.js target/out-4.4.0 target/out-3.9.1 ../../src/protocol/fixtures
