/** Objects as files to be read: lists of them page by page, and their bytes piece by piece. */
import { GetObjectCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3'
import { RetriableError } from '../../connector.ts'
import type { ReadFile } from '../readers/reader.ts'
import { customerKey, explained } from '../s3/client.ts'
import type { Config } from './keys.ts'

export interface Listed {
  readonly key: string
  readonly size: number
  readonly etag: string
}

export interface Page {
  readonly objects: readonly Listed[]
  /** null: it was the last one. */
  readonly next: string | null
}

export class Bucket {
  readonly #config: Config
  readonly #client: S3Client
  readonly #signal: AbortSignal

  constructor(config: Config, client: S3Client, signal: AbortSignal) {
    this.#config = config
    this.#client = client
    this.#signal = signal
  }

  async list(token: string | null): Promise<Page> {
    const { 's3.bucket.name': Bucket, 'topics.dir': folder, 'directory.delim': slash } = this.#config
    const Prefix = folder === '' || folder.endsWith(slash) ? folder : `${folder}${slash}`
    const command = new ListObjectsV2Command({ Bucket: Bucket!, Prefix, ...(token !== null && { ContinuationToken: token }) })
    const listed = await asked(`list ${Prefix}`, this.#client.send(command, { abortSignal: this.#signal }))
    if (listed.KeyCount === undefined && listed.Contents === undefined && listed.IsTruncated === undefined)
      throw new RetriableError(`list ${Prefix}: the answer is no list of objects; is this S3?`)
    const next = listed.IsTruncated === true ? (listed.NextContinuationToken ?? null) : null
    // The same page again and again would never end.
    if (listed.IsTruncated === true && (next === null || next === token)) throw new Error(`list ${Prefix}: the service gives no next page`)
    return {
      objects: (listed.Contents ?? []).flatMap(({ Key, Size, ETag }) =>
        Key === undefined || Size === undefined || Size === 0 ? [] : [{ key: Key, size: Size, etag: ETag ?? '' }],
      ),
      next,
    }
  }

  file({ key, size, etag }: Listed): ReadFile {
    return {
      size,
      slice: async (from, to) => {
        const command = new GetObjectCommand({
          Bucket: this.#config['s3.bucket.name'],
          Key: key,
          Range: `bytes=${from}-${to - 1}`,
          // Another object under the same name is not what was begun.
          ...(etag !== '' && { IfMatch: etag }),
          ...customerKey(this.#config),
        })
        const bytes = await asked(`read ${key}`, this.#bytes(command))
        if (bytes.length !== to - from) throw new RetriableError(`read ${key}: ${bytes.length} bytes came instead of ${to - from}`)
        return bytes
      },
    }
  }

  close(): void {
    this.#client.destroy()
  }

  async #bytes(command: GetObjectCommand): Promise<Buffer> {
    const { Body } = await this.#client.send(command, { abortSignal: this.#signal })
    return Buffer.from((await Body?.transformToByteArray()) ?? [])
  }
}

async function asked<T>(what: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    const reason = explained(error, what)
    // It was changed or removed after it was listed: the next list says what there is.
    throw isChanged(error) ? new RetriableError(reason.message, { cause: error }) : reason
  }
}

function isChanged(error: unknown): boolean {
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode
  return status === 412 || (status === 404 && (error as Error).name === 'NoSuchKey')
}
