/**
 * Avro's object container files: the schema in front, blocks of records behind it.
 *
 * Schemas become Avro's as in Confluent's AvroData, so that readers of the Java connectors' files read these. The marker between blocks is made from
 * the name of the file: the same records give the same bytes.
 */
import { createHash } from 'node:crypto'
import { deflateRawSync, zstdCompressSync } from 'node:zlib'
import { compressSync as snappyCompress } from 'snappy'
import { crc32 } from '../../base.ts'
import { type ConnectValue, DataError, type Schema } from '../../connector.ts'
import { AvroOutput } from './avro-output.ts'
import { avroSchemaOf } from './avro-schema.ts'
import { type AvroWriter, avroWriterOf } from './avro-values.ts'
import type { Body, Format, FormatOptions } from './format.ts'

export const avro: Format = {
  name: 'avro',
  classes: [
    'io.confluent.connect.s3.format.avro.AvroFormat',
    'io.confluent.connect.hdfs.avro.AvroFormat',
    'io.confluent.connect.hdfs3.avro.AvroFormat',
  ],
  extension: '.avro',
  needsSchema: true,
  wrappable: false,
  blockBytes: 2 ** 16,
  open: (schema, options, seed): Body => new AvroFile(schema!, options, seed),
}

const compressors: Readonly<Record<string, (block: Buffer) => Buffer>> = {
  null: block => block,
  deflate: block => deflateRawSync(block),
  snappy: withChecksum,
  zstandard: block => zstdCompressSync(block),
}

class AvroFile implements Body {
  readonly #write: AvroWriter
  readonly #compress: (block: Buffer) => Buffer
  readonly #marker: Buffer
  readonly #block = new AvroOutput()
  #head: Buffer | null
  #count = 0

  constructor(schema: Schema, { codec }: FormatOptions, seed: string) {
    const name = codec ?? 'null'
    const text = JSON.stringify(avroSchemaOf(schema))
    this.#write = avroWriterOf(schema)
    this.#compress = compressors[name]!
    this.#marker = createHash('sha256').update(`${seed}\0${text}`).digest().subarray(0, 16)
    this.#head = containerHead({ 'avro.schema': text, 'avro.codec': name }, this.#marker)
  }

  add(value: ConnectValue): number {
    const before = this.#block.length
    try {
      this.#write(this.#block, value, '')
    } catch (error) {
      this.#block.cut(before)
      throw error instanceof RangeError ? new DataError(`the value cannot be written as Avro: ${error.message}`, error) : error
    }
    this.#count++
    return this.#block.length - before
  }

  take(): Buffer {
    const parts: Buffer[] = []
    if (this.#head !== null) parts.push(this.#head)
    this.#head = null
    if (this.#count > 0) {
      const block = this.#compress(this.#block.take())
      const sizes = new AvroOutput()
      sizes.long(BigInt(this.#count))
      sizes.long(BigInt(block.length))
      parts.push(sizes.take(), block, this.#marker)
      this.#count = 0
    }
    return Buffer.concat(parts)
  }

  end(): Buffer {
    return this.take()
  }
}

/** What a container file begins with. */
export function containerHead(metadata: Readonly<Record<string, string>>, marker: Buffer): Buffer {
  const head = new AvroOutput()
  head.raw(Buffer.from('Obj\x01', 'latin1'))
  const entries = Object.entries(metadata)
  head.int(entries.length)
  for (const [name, value] of entries) {
    head.text(name)
    head.text(value)
  }
  head.int(0)
  head.raw(marker)
  return head.take()
}

/** Avro's own form of snappy: the CRC-32 of what was compressed follows it. */
function withChecksum(block: Buffer): Buffer {
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32(block))
  return Buffer.concat([snappyCompress(block), checksum])
}
