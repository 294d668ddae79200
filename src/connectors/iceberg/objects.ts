/** Files of tables: objects in S3, addressed by their location. */
import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { readValues, type System } from '../../base.ts'
import { explained, openS3 } from '../s3/client.ts'
import { ObjectFile } from '../s3/objects.ts'
import { type S3Config, s3Keys } from '../s3/sink.ts'
import type { IcebergConfig } from './sink.ts'

export interface ObjectStore {
  open(location: string): WrittenObject
  /** A whole small file; returns its location. */
  put(location: string, content: Buffer): Promise<string>
  get(location: string): Promise<Buffer>
  close(): void
}

/** Nobody sees it before it is finished. */
export class WrittenObject {
  readonly #location: string
  readonly #file: ObjectFile
  #hasEnded = false
  size = 0

  constructor(location: string, file: ObjectFile) {
    this.#location = location
    this.#file = file
  }

  get held(): number {
    return this.#file.held
  }

  async write(bytes: Buffer): Promise<void> {
    this.size += bytes.length
    await this.#file.write(bytes)
  }

  /** May be called again after a RetriableError: the last bytes are asked for once. */
  async finish(last: () => Buffer): Promise<{ path: string; size: number }> {
    if (!this.#hasEnded) {
      this.#hasEnded = true
      await this.write(last())
    }
    await this.#file.complete()
    return { path: this.#location, size: this.size }
  }

  abort(): Promise<void> {
    return this.#file.abort()
  }
}

/** `vended`: what the catalogue says of access to the files; it counts where the configuration says nothing. */
export function openStore(
  config: IcebergConfig,
  vended: Readonly<Record<string, string>>,
  { system, signal }: { readonly system: System; readonly signal: AbortSignal },
): ObjectStore {
  const of = (key: 'endpoint' | 'access-key-id' | 'secret-access-key') => config[`iceberg.catalog.s3.${key}`] ?? vended[`s3.${key}`] ?? null
  const endpoint = of('endpoint')
  const settings = {
    // The bucket is that of each file, and the catalogue completes them.
    ...readValues(s3Keys, { 's3.bucket.name': 'any', 'flush.size': '1' }),
    's3.region': config['iceberg.catalog.client.region'] ?? vended['client.region'] ?? 'us-east-1',
    'store.url': endpoint,
    's3.path.style.access.enabled': endpoint !== null,
    'aws.access.key.id': of('access-key-id') ?? '',
    'aws.secret.access.key': of('secret-access-key'),
    's3.part.size': config['iceberg.part.size'],
    's3.request.timeout.ms': config['iceberg.catalog.timeout.ms'],
  } satisfies S3Config
  const client: S3Client = openS3(settings, system)
  const at = (location: string) => {
    const match = /^s3[an]?:\/\/([^/]+)\/(.+)$/.exec(location)
    if (match === null) throw new Error(`the table lies at ${location}, and only s3:// can be written`)
    return { bucket: match[1]!, key: match[2]! }
  }
  const open = (location: string) => {
    const { bucket, key } = at(location)
    return new WrittenObject(location, new ObjectFile({ ...settings, 's3.bucket.name': bucket }, client, key, signal))
  }
  return {
    open,
    async put(location, content) {
      const object = open(location)
      return (await object.finish(() => content)).path
    },
    async get(location) {
      const { bucket, key } = at(location)
      try {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }), { abortSignal: signal })
        return Buffer.from((await Body?.transformToByteArray()) ?? [])
      } catch (error) {
        throw explained(error, `get ${location}`)
      }
    },
    close: () => client.destroy(),
  }
}
