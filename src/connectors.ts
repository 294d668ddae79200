/**
 * connectors: the sinks and sources that come with the package.
 *
 * This list is the only place that names them all. A connector is loaded when it is used: the libraries of the others cost nothing.
 */
import type { ConnectorDefinition } from './connector.ts'

export interface ListedConnector {
  readonly name: string
  /** Java classes whose configurations work here, too. */
  readonly classes: readonly string[]
  readonly kind: 'sink' | 'source'
  load(): Promise<ConnectorDefinition>
}

/** So that lines of JSON, without schemas, can be tried. */
const ofSinks = { topics: 'events', 'key.converter': 'string', 'value.converter': 'json', 'value.converter.schemas.enable': 'false' }

/** A configuration that can be sent to a worker as it is, besides addresses. */
export function exampleOf(definition: ConnectorDefinition): Record<string, string> {
  const { name, example } = definition
  return { 'connector.class': name, ...(definition.kind === 'sink' ? ofSinks : definition.formats), ...example }
}

export const connectors: readonly ListedConnector[] = [
  {
    name: 'elasticsearch',
    classes: [
      'io.confluent.connect.elasticsearch.ElasticsearchSinkConnector',
      'io.aiven.kafka.connect.opensearch.OpenSearchSinkConnector',
      'io.aiven.kafka.connect.opensearch.OpensearchSinkConnector',
    ],
    kind: 'sink',
    load: async () => (await import('./connectors/elasticsearch/sink.ts')).elasticsearch,
  },
  {
    name: 's3',
    classes: ['io.confluent.connect.s3.S3SinkConnector'],
    kind: 'sink',
    load: async () => (await import('./connectors/s3/sink.ts')).s3,
  },
  {
    name: 'hdfs',
    classes: ['io.confluent.connect.hdfs.HdfsSinkConnector', 'io.confluent.connect.hdfs3.Hdfs3SinkConnector'],
    kind: 'sink',
    load: async () => (await import('./connectors/hdfs/sink.ts')).hdfs,
  },
  {
    name: 'iceberg',
    classes: ['org.apache.iceberg.connect.IcebergSinkConnector', 'io.tabular.iceberg.connect.IcebergSinkConnector'],
    kind: 'sink',
    load: async () => (await import('./connectors/iceberg/sink.ts')).iceberg,
  },
  { name: 'kafka-sink', classes: [], kind: 'sink', load: async () => (await import('./connectors/kafka-sink/kafka-sink.ts')).kafkaSink },
  {
    name: 'file-sink',
    classes: ['org.apache.kafka.connect.file.FileStreamSinkConnector'],
    kind: 'sink',
    load: async () => (await import('./connectors/file/sink.ts')).fileSink,
  },
  {
    name: 'file-source',
    classes: ['org.apache.kafka.connect.file.FileStreamSourceConnector'],
    kind: 'source',
    load: async () => (await import('./connectors/file/source.ts')).fileSource,
  },
  {
    name: 'hbase',
    classes: ['io.confluent.connect.hbase.HBaseSinkConnector'],
    kind: 'sink',
    load: async () => (await import('./connectors/hbase/hbase.ts')).hbase,
  },
  { name: 'opentsdb', classes: [], kind: 'sink', load: async () => (await import('./connectors/opentsdb/opentsdb.ts')).opentsdb },
  {
    name: 'maxcompute',
    classes: ['com.aliyun.odps.kafka.connect.MaxComputeSinkConnector'],
    kind: 'sink',
    load: async () => (await import('./connectors/maxcompute/maxcompute.ts')).maxcompute,
  },
  {
    name: 'http',
    classes: ['io.aiven.kafka.connect.http.HttpSinkConnector', 'io.confluent.connect.http.HttpSinkConnector'],
    kind: 'sink',
    load: async () => (await import('./connectors/http/http.ts')).http,
  },
  {
    name: 'jdbc',
    classes: ['io.confluent.connect.jdbc.JdbcSinkConnector', 'io.aiven.connect.jdbc.JdbcSinkConnector'],
    kind: 'sink',
    load: async () => (await import('./connectors/jdbc/jdbc.ts')).jdbc,
  },
  {
    name: 'jdbc-source',
    classes: ['io.confluent.connect.jdbc.JdbcSourceConnector', 'io.aiven.connect.jdbc.JdbcSourceConnector'],
    kind: 'source',
    load: async () => (await import('./connectors/jdbc/source.ts')).jdbcSource,
  },
  {
    name: 'clickhouse',
    classes: ['com.clickhouse.kafka.connect.ClickHouseSinkConnector'],
    kind: 'sink',
    load: async () => (await import('./connectors/clickhouse/clickhouse.ts')).clickhouse,
  },
  {
    name: 'mongodb',
    classes: ['com.mongodb.kafka.connect.MongoSinkConnector'],
    kind: 'sink',
    load: async () => (await import('./connectors/mongodb/mongodb.ts')).mongodb,
  },
  {
    name: 'redis',
    classes: ['com.redis.kafka.connect.RedisSinkConnector'],
    kind: 'sink',
    load: async () => (await import('./connectors/redis/redis.ts')).redis,
  },
  {
    name: 's3-source',
    classes: ['io.confluent.connect.s3.source.S3SourceConnector'],
    kind: 'source',
    load: async () => (await import('./connectors/s3-source/s3-source.ts')).s3Source,
  },
  {
    name: 'http-source',
    classes: ['com.github.castorm.kafka.connect.http.HttpSourceConnector'],
    kind: 'source',
    load: async () => (await import('./connectors/http-source/http-source.ts')).httpSource,
  },
  {
    name: 'redis-streams',
    classes: ['com.redis.kafka.connect.RedisStreamSourceConnector'],
    kind: 'source',
    load: async () => (await import('./connectors/redis-streams/redis-streams.ts')).redisStreams,
  },
  {
    name: 'mqtt',
    classes: ['io.confluent.connect.mqtt.MqttSourceConnector'],
    kind: 'source',
    load: async () => (await import('./connectors/mqtt/mqtt.ts')).mqtt,
  },
  {
    name: 'mirror-source',
    classes: ['org.apache.kafka.connect.mirror.MirrorSourceConnector'],
    kind: 'source',
    load: async () => (await import('./connectors/kafka/source.ts')).mirrorSource,
  },
  {
    name: 'mirror-checkpoint',
    classes: ['org.apache.kafka.connect.mirror.MirrorCheckpointConnector'],
    kind: 'source',
    load: async () => (await import('./connectors/kafka/checkpoint.ts')).mirrorCheckpoint,
  },
  {
    name: 'mirror-heartbeat',
    classes: ['org.apache.kafka.connect.mirror.MirrorHeartbeatConnector'],
    kind: 'source',
    load: async () => (await import('./connectors/kafka/heartbeat.ts')).mirrorHeartbeat,
  },
  { name: 'files', classes: [], kind: 'source', load: async () => (await import('./connectors/files/files.ts')).files },
  {
    name: 'postgresql-cdc',
    classes: ['io.debezium.connector.postgresql.PostgresConnector'],
    kind: 'source',
    load: async () => (await import('./connectors/postgresql-cdc/source.ts')).postgresqlCdc,
  },
  {
    name: 'mysql-cdc',
    classes: ['io.debezium.connector.mysql.MySqlConnector', 'io.debezium.connector.mariadb.MariaDbConnector'],
    kind: 'source',
    load: async () => (await import('./connectors/mysql-cdc/source.ts')).mysqlCdc,
  },
]
