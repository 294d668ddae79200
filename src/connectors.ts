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

export const connectors: readonly ListedConnector[] = [
  {
    name: 'elasticsearch',
    classes: ['io.confluent.connect.elasticsearch.ElasticsearchSinkConnector', 'io.aiven.kafka.connect.opensearch.OpensearchSinkConnector'],
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
]
