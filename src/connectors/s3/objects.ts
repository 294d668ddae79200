/**
 * Objects as files: parts are uploaded while records arrive, and nobody sees an object before its upload is completed. A small object is put at once.
 *
 * Where the wall clock ended the files of a partition is noted in `topics.dir/+ends/CONNECTOR/TOPIC+PARTITION.json`; which topic of its name wrote first, in
 * `topics.dir/+topics/TOPIC` (topic-prefixes.ts).
 */

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  PutObjectCommand,
  type S3Client,
  type StorageClass,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { severalAtOnce } from '../../base.ts'
import { type OpenedPartition, RetriableError, type SinkContext, type TopicPartition } from '../../connector.ts'
import type { Finished, OpenFile, Piece, Storage } from '../storage/storage.ts'
import { TopicPrefixes } from '../storage/topic-prefixes.ts'
import { customerKey, explained, isMissing, isNoSuchUpload } from './client.ts'
import type { S3Config } from './sink.ts'

/** The service takes no smaller part, but for the last. */
const leastPart = 5 * 2 ** 20
const atOnce = 4

export class ObjectStorage implements Storage<ObjectFile> {
  readonly #config: S3Config
  readonly #client: S3Client
  readonly #context: SinkContext
  readonly #prefixes: TopicPrefixes

  constructor(config: S3Config, client: S3Client, context: SinkContext) {
    this.#config = config
    this.#client = client
    this.#context = context
    const name = (topic: string) => this.#beside('+topics', topic)
    const unknown = 'it is not known whether this topic was made again: its objects may replace those of an earlier one'
    this.#prefixes = new TopicPrefixes(
      {
        read: topic => this.#readNote(name(topic), String, { topic }, unknown),
        // Whoever may write objects of topics only, goes on.
        write: (topic, id) =>
          this.#writeNote(name(topic), id, 'text/plain').catch((error: unknown) => {
            if (error instanceof RetriableError) throw error
            context.log.warn(
              { topic, err: error },
              'the id of this topic cannot be noted: if it is made again, its objects replace those that are there',
            )
          }),
      },
      config['file.delim'],
    )
  }

  close(): void {
    this.#client.destroy()
  }

  create(piece: Piece): ObjectFile {
    return new ObjectFile(this.#config, this.#client, objectName(this.#config, this.#prefixes.of(piece), piece), this.#context.signal)
  }

  async publish(files: readonly Finished<ObjectFile>[]): Promise<void> {
    await severalAtOnce(files, atOnce, ({ file }) => file.complete())
  }

  async discard(files: readonly ObjectFile[]): Promise<void> {
    await severalAtOnce(files, atOnce, async file => {
      await file
        .abort()
        .catch((error: unknown) => this.#context.log.warn({ object: file.name, err: error }, 'an upload could not be given up'))
    })
  }

  remember(partition: TopicPartition, ends: readonly bigint[]): Promise<void> {
    return this.#writeNote(this.#endsOf(partition), JSON.stringify(ends.map(String)), 'application/json')
  }

  async recall(partition: TopicPartition): Promise<readonly bigint[]> {
    const unknown = 'it is not known where files of an earlier run end: after a crash, some records may be in two objects'
    const parse = (text: string) => (JSON.parse(text) as string[]).map(BigInt)
    return (await this.#readNote(this.#endsOf(partition), parse, partition, unknown)) ?? []
  }

  #endsOf(partition: TopicPartition): string {
    return this.#beside('+ends', encodeURIComponent(this.#context.connector), `${this.#prefixes.of(partition)}.json`)
  }

  /** Beside the objects of all topics. */
  #beside(...names: readonly string[]): string {
    return [this.#config['topics.dir'], ...names].join(this.#config['directory.delim'])
  }

  async #writeNote(Key: string, Body: string, ContentType: string): Promise<void> {
    const note = new PutObjectCommand({ Bucket: this.#config['s3.bucket.name'], Key, ...kindOf(this.#config), Body, ContentType })
    try {
      await this.#client.send(note, { abortSignal: this.#context.signal })
    } catch (error) {
      throw explained(error, `put ${Key}`)
    }
  }

  /** null: there is none. undefined: it cannot be read, which is told as `unknown`. */
  async #readNote<T>(Key: string, parse: (text: string) => T, about: object, unknown: string): Promise<T | null | undefined> {
    try {
      const get = new GetObjectCommand({ Bucket: this.#config['s3.bucket.name'], Key, ...customerKey(this.#config) })
      const { Body } = await this.#client.send(get, { abortSignal: this.#context.signal })
      return parse((await Body?.transformToString()) ?? '')
    } catch (error) {
      if (isMissing(error)) return null
      const reason = explained(error, `get ${Key}`)
      if (reason instanceof RetriableError) throw reason
      this.#context.log.warn({ ...about, err: reason }, unknown)
      return undefined
    }
  }

  async opened(partitions: readonly OpenedPartition[]): Promise<void> {
    await this.#prefixes.opened(partitions)
    await this.#giveUpOld(partitions)
  }

  /**
   * Gives up what an earlier task left behind after a crash: whoever has a partition is the only one to write its objects, and parts of uploads cost money.
   * Not every service can list uploads; then they stay.
   */
  async #giveUpOld(partitions: readonly TopicPartition[]): Promise<void> {
    const { 'file.delim': delimiter, 'topics.dir': folder, 'directory.delim': slash } = this.#config
    for (const topic of new Set(partitions.map(each => each.topic))) {
      const mine = partitions.filter(each => each.topic === topic)
      // Also those of the topic that was there before.
      const prefixes = mine.flatMap(each => [`${topic}${delimiter}${each.partition}`, this.#prefixes.of(each)])
      const names = prefixes.map(each => `${slash}${each}${delimiter}`)
      try {
        for (const { name, upload } of await this.#uploadsBelow(`${folder}${slash}${topic}${slash}`)) {
          if (!names.some(each => name.includes(each))) continue
          await this.#client.send(new AbortMultipartUploadCommand({ Bucket: this.#config['s3.bucket.name'], Key: name, UploadId: upload }))
          this.#context.log.info({ object: name }, 'an upload of an earlier run was given up')
        }
      } catch (error) {
        this.#context.log.warn(
          { topic, err: explained(error, `list uploads of ${topic}`) },
          'uploads of an earlier run could not be given up',
        )
      }
    }
  }

  async #uploadsBelow(prefix: string): Promise<{ name: string; upload: string }[]> {
    const found: { name: string; upload: string }[] = []
    let marker: { KeyMarker?: string; UploadIdMarker?: string } = {}
    for (let page = 0; page < 100; page++) {
      const listed = await this.#client.send(
        new ListMultipartUploadsCommand({ Bucket: this.#config['s3.bucket.name'], Prefix: prefix, ...marker }),
        { abortSignal: this.#context.signal },
      )
      for (const { Key, UploadId } of listed.Uploads ?? [])
        if (Key !== undefined && UploadId !== undefined) found.push({ name: Key, upload: UploadId })
      if (listed.IsTruncated !== true || listed.NextKeyMarker === undefined) break
      marker = {
        KeyMarker: listed.NextKeyMarker,
        ...(listed.NextUploadIdMarker === undefined ? {} : { UploadIdMarker: listed.NextUploadIdMarker }),
      }
    }
    return found
  }
}

function objectName(config: S3Config, prefix: string, { topicDirectory, directory, first, extension }: Piece): string {
  const offset = String(first).padStart(config['filename.offset.zero.pad.width'], '0')
  const file = `${prefix}${config['file.delim']}${offset}${extension}`
  return [config['topics.dir'], topicDirectory, directory, file].join(config['directory.delim'])
}

/** Whatever answered, it was no S3, and has not stored anything. */
function noTag(doing: string): RetriableError {
  return new RetriableError(`${doing}: the answer has no ETag; is this S3?`)
}

export class ObjectFile implements OpenFile {
  readonly name: string
  readonly #config: S3Config
  readonly #client: S3Client
  readonly #signal: AbortSignal
  #waiting: Buffer[] = []
  held = 0
  #size = 0
  #upload: string | null = null
  readonly #parts: { PartNumber: number; ETag: string }[] = []
  #isComplete = false

  constructor(config: S3Config, client: S3Client, name: string, signal: AbortSignal) {
    this.#config = config
    this.#client = client
    this.name = name
    this.#signal = signal
  }

  async write(bytes: Buffer): Promise<void> {
    if (bytes.length > 0) this.#waiting.push(bytes)
    this.held += bytes.length
    this.#size += bytes.length
    while (this.held >= this.#config['s3.part.size']) await this.#sendPart(this.#config['s3.part.size'])
  }

  async relieve(): Promise<void> {
    if (this.held >= leastPart) await this.#sendPart(this.held)
  }

  async complete(): Promise<void> {
    if (this.#isComplete) return
    if (this.#upload === null) await this.#put()
    else {
      if (this.held > 0) await this.#sendPart(this.held)
      await this.#completeUpload(this.#upload)
    }
    this.#isComplete = true
    this.#waiting = []
    this.held = 0
  }

  async abort(): Promise<void> {
    this.#waiting = []
    this.held = 0
    const upload = this.#upload
    this.#upload = null
    // Also when the task is ending: its signal does not end this.
    if (upload !== null && !this.#isComplete)
      await this.#client.send(new AbortMultipartUploadCommand({ ...this.#target, UploadId: upload }))
  }

  async #sendPart(size: number): Promise<void> {
    this.#upload ??= await this.#begin()
    const upload = this.#upload
    const all = Buffer.concat(this.#waiting)
    this.#waiting = [all]
    const PartNumber = this.#parts.length + 1
    if (PartNumber > 10_000)
      throw new Error(`object ${this.name} has more than 10000 parts: raise s3.part.size, or lower flush.size or rotate.bytes`)
    const part = new UploadPartCommand({
      ...this.#target,
      ...customerKey(this.#config),
      UploadId: upload,
      PartNumber,
      Body: all.subarray(0, size),
    })
    const { ETag } = await this.#asked('upload a part of', () => this.#client.send(part, this.#options))
    if (ETag === undefined) throw noTag(`upload a part of ${this.name}`)
    this.#parts.push({ PartNumber, ETag })
    this.#waiting = size < all.length ? [all.subarray(size)] : []
    this.held -= size
  }

  async #put(): Promise<void> {
    const put = new PutObjectCommand({ ...this.#target, ...kindOf(this.#config), Body: Buffer.concat(this.#waiting) })
    const { ETag } = await this.#asked('put', () => this.#client.send(put, this.#options))
    if (ETag === undefined) throw noTag(`put ${this.name}`)
  }

  async #begin(): Promise<string> {
    const begin = new CreateMultipartUploadCommand({ ...this.#target, ...kindOf(this.#config) })
    const { UploadId } = await this.#asked('begin', () => this.#client.send(begin, this.#options))
    if (UploadId === undefined) throw new Error(`begin ${this.name}: the service answered without an upload`)
    return UploadId
  }

  async #completeUpload(upload: string): Promise<void> {
    const complete = new CompleteMultipartUploadCommand({
      ...this.#target,
      ...customerKey(this.#config),
      UploadId: upload,
      MultipartUpload: { Parts: this.#parts },
    })
    try {
      await this.#client.send(complete, this.#options)
    } catch (error) {
      // It may have been completed already, and only the answer was lost.
      if (!isNoSuchUpload(error) || !(await this.#isThere())) throw explained(error, `complete ${this.name}`)
    }
  }

  async #isThere(): Promise<boolean> {
    try {
      const { ContentLength } = await this.#client.send(
        new HeadObjectCommand({ ...this.#target, ...customerKey(this.#config) }),
        this.#options,
      )
      return ContentLength === this.#size
    } catch (error) {
      if (isMissing(error)) return false
      throw explained(error, `look for ${this.name}`)
    }
  }

  async #asked<T>(what: string, send: () => Promise<T>): Promise<T> {
    try {
      return await send()
    } catch (error) {
      throw explained(error, `${what} ${this.name}`)
    }
  }

  get #options(): { abortSignal: AbortSignal } {
    return { abortSignal: this.#signal }
  }

  get #target(): { Bucket: string; Key: string } {
    return { Bucket: this.#config['s3.bucket.name'], Key: this.name }
  }
}

/** For every request that makes an object. */
function kindOf(config: S3Config) {
  const { 's3.ssea.name': encryption, 's3.sse.kms.key.id': kmsKey, 's3.acl.canned': ACL, 's3.storage.class': storageClass } = config
  return {
    ...customerKey(config),
    ...(encryption === '' ? {} : { ServerSideEncryption: encryption }),
    ...(kmsKey === '' ? {} : { SSEKMSKeyId: kmsKey }),
    ...(ACL === null ? {} : { ACL }),
    ...(storageClass === null ? {} : { StorageClass: storageClass as StorageClass }),
  }
}
