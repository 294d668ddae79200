/** Which connector of this package does what a Java connector does whose configurations do not work here: by words in the name of its class. */

const sinks: readonly (readonly [words: RegExp, name: string])[] = [
  [/elastic|opensearch/i, 'elasticsearch'],
  [/iceberg/i, 'iceberg'],
  [/hdfs|hadoop/i, 'hdfs'],
  [/hbase|bigtable/i, 'hbase'],
  [/[Ss]3|[Gg]cs|(?:Oss|OSS|Cos|COS)[A-Z]/, 's3'],
  [/opentsdb/i, 'opentsdb'],
  [/maxcompute|odps/i, 'maxcompute'],
  [/clickhouse/i, 'clickhouse'],
  [/mongo|documentdb/i, 'mongodb'],
  [/redis|valkey/i, 'redis'],
  [/jdbc|postgres|mysql|mariadb/i, 'jdbc'],
  [/[Hh]ttp|[Ww]ebhook|Rest/, 'http'],
  [/file/i, 'file-sink'],
  [/replicator|mirror|kafkasink/i, 'kafka-sink'],
]

const sources: typeof sinks = [
  [/postgres/i, 'postgresql-cdc'],
  [/mysql|mariadb/i, 'mysql-cdc'],
  [/jdbc/i, 'jdbc-source'],
  [/[Ss]3|[Gg]cs|(?:Oss|OSS|Cos|COS)[A-Z]/, 's3-source'],
  [/redis|valkey/i, 'redis-streams'],
  [/mqtt/i, 'mqtt'],
  [/[Hh]ttp|Rest/, 'http-source'],
  [/spool|filepulse|fspath|directory/i, 'files'],
  [/file/i, 'file-source'],
  [/replicator|mirror/i, 'mirror-source'],
]

/** null: there is none, or the name says nothing. */
export function similarConnector(className: string): string | null {
  const simple = className.slice(className.lastIndexOf('.') + 1)
  const words = /Source/.test(simple) || /^io\.debezium\.(?!connector\.jdbc)/.test(className) ? sources : sinks
  return words.find(([pattern]) => pattern.test(simple))?.[1] ?? null
}
