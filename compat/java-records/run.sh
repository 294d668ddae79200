#!/bin/sh
# run.sh VERSION write|check FILE: runs RecordFixtures.java on that version of kafka-clients. Needs Java 17 and Maven.
# Kafka 4.4 moved its record classes into an internal package; lines that end in "// 3.9" or begin with "// 4.4:" are chosen here.
set -eu
version=$1
file=$(realpath -m "$3")
cd "$(dirname "$0")"
mkdir -p "target/$version"
mvn -q -B -Dkafka.version="$version" dependency:build-classpath -Dmdep.outputFile="target/$version/classpath"
case $version in
  3.*) cp RecordFixtures.java "target/$version/RecordFixtures.java" ;;
  *) sed -e '/\/\/ 3\.9$/d' -e 's|// 4\.4: ||' RecordFixtures.java > "target/$version/RecordFixtures.java" ;;
esac
java -cp "$(cat "target/$version/classpath")" "target/$version/RecordFixtures.java" "$2" "$file"
