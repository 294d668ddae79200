/**
 * Sink: objects in S3, or in what speaks like it (COS, OSS, MinIO), with the keys of Confluent's S3 sink connector.
 *
 * Exactly once: an object is named by topic, partition and its first offset, and offsets are committed only behind objects that are complete. What a crash
 * cut off is written again, under the same names.
 */
import { choice, defineSink, int, intBytes, ms, string, type ValuesOf } from '../../connector.ts'
import { requireNone } from '../required.ts'
import { recommendStorage } from '../storage/check.ts'
import { FileTask } from '../storage/file-task.ts'
import { accepted, storageKeys } from '../storage/keys.ts'
import { storageCheck } from './check.ts'
import { connectionKeys, openS3 } from './client.ts'
import { ObjectStorage } from './objects.ts'
import { refuses } from './refusals.ts'

export const s3Keys = {
  ...connectionKeys,
  's3.part.size': intBytes({
    default: 26_214_400,
    min: 5 * 2 ** 20,
    max: 2 ** 31 - 1,
    importance: 'high',
    doc: 'Size of the parts of an upload. So much is held for each open object.',
  }),
  's3.compression.type': choice(['none', 'gzip', 'zstd'] as const, {
    default: 'none',
    ignoreCase: true,
    importance: 'medium',
    doc: 'Compression of objects of the formats json, csv and bytes. Avro and Parquet have codecs of their own.',
  }),
  's3.compression.level': int({ default: -1, min: -1, max: 22, doc: 'Level of gzip (to 9) or zstd (to 22); -1: its default.' }),
  's3.ssea.name': choice(['', 'AES256', 'aws:kms'] as const, { default: '', importance: 'low', doc: 'Encryption by the service.' }),
  's3.sse.kms.key.id': string({ default: '', importance: 'low', doc: 'Key of aws:kms.' }),
  's3.acl.canned': choice(
    [
      'private',
      'public-read',
      'public-read-write',
      'authenticated-read',
      'aws-exec-read',
      'bucket-owner-read',
      'bucket-owner-full-control',
    ] as const,
    { default: null, importance: 'low', doc: 'Access list of objects.' },
  ),
  's3.storage.class': string({ default: null, importance: 'low', doc: 'Storage class of objects, as in STANDARD_IA.' }),
  's3.retry.backoff.ms': ms({
    default: 200,
    min: 0,
    doc: 'Accepted; the client of Amazon chooses its own pauses.',
    accepted: 'the client of Amazon chooses its own pauses',
  }),
  's3.http.send.expect.continue': accepted('requests are sent at once'),
  's3.credentials.provider.class': accepted('credentials come from the configuration or the environment'),
  ...storageKeys,
} as const

export type S3Config = ValuesOf<typeof s3Keys>

export const s3 = defineSink({
  name: 's3',
  classes: ['io.confluent.connect.s3.S3SinkConnector'],
  version: '1.0.0',
  summary: 'Writes records into objects of S3 or a service that speaks like it: JSON, CSV, Avro or Parquet, exactly once.',
  example: {
    's3.bucket.name': 'events',
    's3.region': 'us-east-1',
    'store.url': 'http://127.0.0.1:9000',
    'format.class': 'parquet',
    'flush.size': '10000',
    'rotate.schedule.interval.ms': '60000',
  },
  config: s3Keys,
  refuses,
  completesLater: true,
  check: storageCheck,
  recommend: recommendStorage,
  async open(config, context) {
    requireNone(storageCheck(config))
    const storage = new ObjectStorage(config, openS3(config, context.system), context)
    const level = config['s3.compression.level']
    return new FileTask(config, context, storage, { wrapping: config['s3.compression.type'], level: level < 0 ? null : level })
  },
})
