/** Avro's object container files: the schema in front, blocks of records behind it, each checked before it is believed. */
import { promisify } from 'node:util'
import { inflateRaw, zstdDecompress } from 'node:zlib'
import { uncompress as snappyUncompress } from 'snappy'
import { crc32 } from '../../base.ts'
import { DataError } from '../../connector.ts'
import { type AvroValueReader, Cursor, compileAvro } from './avro-values.ts'
import { pageValues, type Reader, type ReadValue, tooLong } from './reader.ts'
import { snappyLength } from './snappy.ts'

const inflate = promisify(inflateRaw)
const zstd = promisify(zstdDecompress)
const magic = Buffer.from('Obj\x01')
const markerBytes = 16
/** Of the header. */
const mostProperties = 1_000

export const avroReader: Reader = {
  name: 'avro',
  classes: ['io.confluent.connect.s3.format.avro.AvroFormat'],
  async *readBytes(bytes, { mostBytes }) {
    const input = new Input(bytes, mostBytes)
    if (!(await input.take(magic.length))?.equals(magic)) throw new DataError('this is no Avro file: it does not begin with Obj')
    const properties = await header(input)
    const text = properties.get('avro.schema')?.toString()
    if (text === undefined) throw new DataError('the Avro file has no schema')
    const reader = compileAvro(text)
    const codec = properties.get('avro.codec')?.toString() ?? 'null'
    const marker = await input.required(markerBytes)
    for (;;) {
      const count = await input.number()
      if (count === null) return
      const block = await unpacked(codec, await input.required(await input.size()), mostBytes)
      yield* pagesOf(reader, block, count)
      if (!(await input.required(markerBytes)).equals(marker)) throw new DataError('the marker behind a block of the Avro file is wrong')
    }
  },
}

function* pagesOf(reader: AvroValueReader, block: Buffer, count: number): Generator<ReadValue[]> {
  const cursor = new Cursor(block)
  cursor.records(count)
  let page: ReadValue[] = []
  for (let left = count; left > 0; left--) {
    page.push({ schema: reader.schema, value: reader.read(cursor) })
    if (page.length === pageValues) {
      yield page
      page = []
    }
  }
  cursor.finish()
  if (page.length > 0) yield page
}

async function header(input: Input): Promise<Map<string, Buffer>> {
  const properties = new Map<string, Buffer>()
  for (let count = await input.size(); count !== 0; count = await input.size()) {
    for (let left = count; left > 0; left--) {
      const name = (await input.required(await input.size())).toString()
      properties.set(name, await input.required(await input.size()))
      if (properties.size > mostProperties) throw new DataError('the header of the Avro file is too long')
    }
  }
  return properties
}

async function unpacked(codec: string, block: Buffer, mostBytes: number): Promise<Buffer> {
  // What a block may become, as it may be read at once.
  const limit = { maxOutputLength: Math.max(mostBytes, block.length) * 4 }
  switch (codec) {
    case 'null':
      return block
    case 'deflate':
      return await inflate(block, limit)
    case 'zstandard':
      return await zstd(block, limit)
    case 'snappy': {
      const packed = block.subarray(0, -4)
      const length = snappyLength(packed)
      if (length > limit.maxOutputLength)
        throw new DataError(
          `a block of the Avro file says that it has ${length} bytes unpacked; at most ${limit.maxOutputLength} are allowed`,
        )
      const raw = (await snappyUncompress(packed)) as Buffer
      if (crc32(raw) >>> 0 !== block.readUInt32BE(block.length - 4)) throw new DataError('a block of the Avro file is damaged')
      return raw
    }
    default:
      throw new DataError(`the codec ${codec.slice(0, 50)} of the Avro file is not known; null, deflate, snappy and zstandard are`)
  }
}

/** Bytes as they come, by the piece that is wanted. */
class Input {
  readonly #bytes: AsyncIterator<Buffer>
  readonly #most: number
  #rest: Buffer = Buffer.alloc(0)

  constructor(bytes: AsyncIterable<Buffer>, most: number) {
    this.#bytes = bytes[Symbol.asyncIterator]()
    this.#most = most
  }

  /** null: it ends here, and there is not even one byte. */
  async take(size: number): Promise<Buffer | null> {
    if (size > this.#most) throw tooLong(this.#most)
    if (this.#rest.length < size) {
      const parts = [this.#rest]
      for (let has = this.#rest.length; has < size; ) {
        const { value, done } = await this.#bytes.next()
        if (done === true) {
          if (has === 0) return null
          throw new DataError('the Avro file ends in the middle')
        }
        parts.push(value)
        has += value.length
      }
      this.#rest = Buffer.concat(parts)
    }
    const taken = this.#rest.subarray(0, size)
    this.#rest = this.#rest.subarray(size)
    return taken
  }

  async required(size: number): Promise<Buffer> {
    const taken = size === 0 ? Buffer.alloc(0) : await this.take(size)
    if (taken === null) throw new DataError('the Avro file ends in the middle')
    return taken
  }

  /** A zigzag number; null: the file ends here. */
  async number(): Promise<number | null> {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      if (shift > 63n) throw new DataError('a number in the Avro file is too long')
      const byte = shift === 0n ? await this.take(1) : await this.required(1)
      if (byte === null) return null
      value |= BigInt(byte[0]! & 0x7f) << shift
      if (byte[0]! < 0x80) break
    }
    const signed = (value >> 1n) ^ -(value & 1n)
    if (signed < 0n || signed > 2n ** 40n) throw new DataError(`a count in the Avro file is ${signed}`)
    return Number(signed)
  }

  async size(): Promise<number> {
    const size = await this.number()
    if (size === null) throw new DataError('the Avro file ends in the middle')
    return size
  }
}
