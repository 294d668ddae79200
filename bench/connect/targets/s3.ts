/** S3: compressed objects of JSON lines. */
import { gunzipSync } from 'node:zlib'
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3'
import { chosenKind, ObjectServer } from '../../../compat/support/object-servers.ts'
import { freePorts } from '../../../compat/support/run.ts'
import { fillOrders } from '../orders.ts'
import { becomes, type Row, type Side, type Target } from '../target.ts'

const fullCount = 300_000
/** That each partition has a multiple of. */
const inObject = 15_000
interface Size {
  readonly records: number
  readonly inObject: number
}

const login = { user: 'millrace', password: 'only-for-tests', bucket: 'bench' }
const flushMs = 1_000
const lookMs = 200

export const s3: Target = {
  name: 's3',
  rows: ['s3'],
  about: `Aiven's S3 sink (cloud-storage-connectors 89e55a98), compiled from its sources: Maven Central has no sink for S3 (Confluent's, Aiven's and Camel's are not there). Classes of
  Confluent's that it names for Avro and Parquet are stubs. Both sides: JSON lines, gzip, ${inObject.toLocaleString('en')} records in an object (Aiven's ends one with each flush, too), offsets
  flushed each second, \`consumer.max.poll.records=2000\`; MinIO. A record is 200 bytes of JSON without schema.`,
  plugin: {
    name: 's3',
    artifacts: [
      'software.amazon.awssdk:s3:2.29.34',
      'software.amazon.awssdk:sts:2.29.34',
      'org.apache.parquet:parquet-avro:1.15.0',
      'org.apache.hadoop:hadoop-client-api:3.4.1',
      'commons-io:commons-io:2.18.0',
      'org.apache.commons:commons-text:1.11.0',
      'org.apache.commons:commons-collections4:4.4',
      'com.github.spotbugs:spotbugs-annotations:4.8.1',
      'jakarta.validation:jakarta.validation-api:3.1.1',
      'com.google.guava:guava:33.2.1-jre',
    ],
    sources: {
      repository: 'Aiven-Open/cloud-storage-connectors-for-apache-kafka',
      commit: '89e55a98f4d385814a5f534ed896edb66f84b208',
      modules: ['commons', 's3-commons', 's3-sink-connector'],
      edits: [],
    },
  },
  properties: { 'consumer.max.poll.records': '2000', 'offset.flush.interval.ms': String(flushMs) },
  async open({ client, scale }) {
    const { records } = await fillOrders(client, 'objects', fullCount * scale, false)
    const server = await ObjectServer.start(chosenKind(), await freePorts(chosenKind().ports), login)
    const endpoint = `http://127.0.0.1:${server.port}`
    const objects = new S3Client({
      endpoint,
      region: 'us-east-1',
      forcePathStyle: true,
      credentials: { accessKeyId: login.user, secretAccessKey: login.password },
    })
    return {
      rows: [row({ records, inObject: inObject * scale }, endpoint, objects)],
      async close() {
        objects.destroy()
        await server.remove()
      },
    }
  },
}

function row({ records, inObject }: Size, endpoint: string, objects: S3Client): Row {
  return {
    name: 's3',
    what: 'topic of 4 partitions to objects of JSON lines with gzip, 2 tasks',
    records,
    async pass(worker, side, id) {
      await worker.rest('PUT', `/connectors/${id}/config`, { ...shared, ...configs[side](id, endpoint, inObject) })
      const lines = new Map<string, number>()
      await becomes(
        worker,
        id,
        async () => {
          await countLines(objects, `${id}/`, lines)
          const total = [...lines.values()].reduce((sum, each) => sum + each, 0)
          if (total > records) throw new Error(`${id}: ${total} lines instead of ${records}`)
          return total === records
        },
        lookMs,
      )
    },
  }
}

/** Of objects that are new. */
async function countLines(objects: S3Client, prefix: string, lines: Map<string, number>): Promise<void> {
  const listed = await objects.send(new ListObjectsV2Command({ Bucket: login.bucket, Prefix: prefix }))
  if (listed.IsTruncated === true) throw new Error(`there are more than 1,000 objects below ${prefix}`)
  for (const { Key } of listed.Contents ?? []) {
    // Others are notes of the sink.
    if (Key?.endsWith('.gz') !== true || lines.has(Key)) continue
    const { Body } = await objects.send(new GetObjectCommand({ Bucket: login.bucket, Key }))
    const text = gunzipSync(await Body!.transformToByteArray())
    let count = text.at(-1) === 10 ? 0 : 1
    for (let at = text.indexOf(10); at >= 0; at = text.indexOf(10, at + 1)) count++
    lines.set(Key, count)
  }
}

const shared = {
  'tasks.max': '2',
  topics: 'objects',
  'value.converter': 'org.apache.kafka.connect.json.JsonConverter',
  'value.converter.schemas.enable': 'false',
  'aws.access.key.id': login.user,
  'aws.secret.access.key': login.password,
}

const configs: Readonly<Record<Side, (id: string, endpoint: string, inObject: number) => Record<string, string>>> = {
  millrace: (id, endpoint, inObject) => ({
    'connector.class': 's3',
    's3.bucket.name': login.bucket,
    's3.region': 'us-east-1',
    'store.url': endpoint,
    'topics.dir': id,
    'format.class': 'json',
    's3.compression.type': 'gzip',
    'flush.size': String(inObject),
  }),
  kafka: (id, endpoint, inObject) => ({
    'connector.class': 'io.aiven.kafka.connect.s3.AivenKafkaConnectS3SinkConnector',
    'aws.s3.bucket.name': login.bucket,
    'aws.s3.region': 'us-east-1',
    'aws.s3.endpoint': endpoint,
    'file.name.template': `${id}/{{topic}}-{{partition}}-{{start_offset}}.gz`,
    'format.output.type': 'jsonl',
    'format.output.fields': 'value',
    'format.output.fields.value.encoding': 'none',
    'format.output.envelope': 'false',
    'file.compression.type': 'gzip',
    'file.max.records': String(inObject),
  }),
}
