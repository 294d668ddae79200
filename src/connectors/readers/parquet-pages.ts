/**
 * What the pages of a Parquet file say of themselves, checked before the library reads them: it makes room for as many values as a page says that it has, and
 * repeats a value as often as a run says, so a few bytes would take all memory. The headers of a row group are read first; a page's own runs are checked when
 * the library has it unpacked, for it reads the page next. So the library is given every column as one of another codec, which is ours.
 */
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import type { ColumnMetaData, DataPageHeader, PageHeader, RowGroup, SchemaTree } from 'hyparquet'
import { parquetHeader } from 'hyparquet/src/column.js'
import { deltaBinaryUnpack } from 'hyparquet/src/delta.js'
import { readRleBitPackedHybrid } from 'hyparquet/src/encoding.js'
import { getMaxDefinitionLevel, getMaxRepetitionLevel, getTreePath, isFlatColumn } from 'hyparquet/src/schema.js'
import { uncompressSync } from 'snappy'
import { DataError } from '../../connector.ts'
import { snappyLength } from './snappy.ts'

/** A row group is in memory whole. */
export const mostGroupBytes = 2 ** 29
const mostGroupValues = 100_000_000
const mostPageValues = 2 ** 24
/** What a list, even an empty one, takes more than a value. */
const listWeight = 2
/** Values that writers put behind the last one, to fill a run. */
const mostFilling = 512

type DataPageHeaderV2 = NonNullable<PageHeader['data_page_header_v2']>

/** The group as the library is to read it. Throws DataError. `chunkOf` gives the bytes of a column, as the file has them. */
export function checkedGroup(group: RowGroup, root: SchemaTree, chunkOf: (column: ColumnMetaData) => Buffer): RowGroup {
  const room = new Room()
  const columns = group.columns.map(column => {
    const own = column.meta_data!
    const pages = new ColumnPages(own, getTreePath(root, own.path_in_schema), room)
    pages.walk(chunkOf(own), Number(group.num_rows))
    const compressors = { LZO: (packed: Uint8Array, size: number) => pages.next(packed, size) }
    return { ...column, meta_data: { ...own, codec: 'LZO' as const, compressors } }
  })
  return { ...group, columns }
}

/** What is left for the pages of a group. */
class Room {
  #bytes = 0
  #values = 0

  takeBytes(count: number): void {
    this.#bytes += count
    if (this.#bytes > mostGroupBytes)
      throw new DataError(
        `the pages of a row group have ${this.#bytes} bytes or more; at most ${mostGroupBytes} are allowed: it is read at once`,
      )
  }

  takeValues(count: number, weight: number): void {
    if (count > mostPageValues) throw new DataError(`a page says that it has ${count} values; at most ${mostPageValues} are allowed`)
    this.#values += count * weight
    if (this.#values > mostGroupValues)
      throw new DataError(
        `the pages of a row group have ${this.#values} values and lists or more; at most ${mostGroupValues} are allowed: it is read at once`,
      )
  }
}

class ColumnPages {
  readonly #column: ColumnMetaData
  readonly #room: Room
  readonly #isFlat: boolean
  readonly #mostRepetition: number
  readonly #mostDefinition: number
  /** Of the lists that a value may begin, one within the other; the library makes one for whatever is optional, too. */
  readonly #listsWeight: number
  /** The checks of pages that are to be unpacked, in their order. */
  readonly #checks: ((page: Buffer) => void)[] = []
  #at = 0

  constructor(column: ColumnMetaData, path: SchemaTree[], room: Room) {
    this.#column = column
    this.#room = room
    this.#isFlat = isFlatColumn(path)
    this.#mostRepetition = path.length > 1 ? getMaxRepetitionLevel(path) : 0
    this.#mostDefinition = getMaxDefinitionLevel(path)
    this.#listsWeight = this.#isFlat ? 0 : this.#mostDefinition * listWeight
  }

  /** Over the headers, as far as the library goes. */
  walk(chunk: Buffer, rows: number): void {
    const reader = { view: viewOf(chunk), offset: 0 }
    let values = 0
    while (reader.offset < chunk.length - 1 && !(this.#isFlat && values >= rows)) {
      const header = parquetHeader(reader)
      const size = whole(header.compressed_page_size, 'bytes of a page')
      if (size > chunk.length - reader.offset)
        throw new DataError(`a page says that it has ${size} bytes, and its column has ${chunk.length - reader.offset} more`)
      this.#room.takeBytes(whole(header.uncompressed_page_size, 'bytes of a page'))
      values += this.#page(header, chunk.subarray(reader.offset, reader.offset + size))
      reader.offset += size
    }
    if (values < rows) throw new DataError(`a row group says that it has ${rows} rows, and a column of it has ${values} values`)
  }

  /** The next page, unpacked and checked. */
  next(packed: Uint8Array, size: number): Uint8Array {
    const check = this.#checks[this.#at++]
    if (check === undefined) throw new DataError('a column of the Parquet file has more pages than rows')
    const page = unpacked(this.#column.codec, packed, size)
    check(page)
    return page
  }

  /** How many values it has, those of a dictionary not counted. */
  #page(header: PageHeader, page: Buffer): number {
    const { type, data_page_header: data, data_page_header_v2: newer, dictionary_page_header: dictionary } = header
    if (type === 'DICTIONARY_PAGE' && dictionary !== undefined) {
      this.#room.takeValues(whole(dictionary.num_values, 'values of a page'), 1)
      this.#checks.push(() => {})
      return 0
    }
    const values = whole((data ?? newer)?.num_values, 'values of a page')
    this.#room.takeValues(values, this.#mostRepetition > 0 ? 1 : 1 + this.#listsWeight)
    if (type === 'DATA_PAGE' && data !== undefined) this.#checks.push(unpackedPage => this.#data(unpackedPage, data))
    else if (type === 'DATA_PAGE_V2' && newer !== undefined && data === undefined) this.#newer(header, newer, page)
    else throw new DataError('a page of the Parquet file is neither of data nor a dictionary')
    return values
  }

  #data(page: Buffer, { num_values: values, encoding }: DataPageHeader): void {
    let at = 0
    let present = values
    if (this.#mostRepetition > 0) {
      this.#checkRepetition(page, at + 4, values)
      at = endOfLevels(page, at)
    }
    if (this.#mostDefinition > 0) {
      const from = at
      checkRuns(page, at + 4, widthOf(this.#mostDefinition), values)
      at = endOfLevels(page, at)
      if (encoding === 'DELTA_BYTE_ARRAY') present = this.#present(page, from, values)
    }
    const isRun = encoding === 'RLE' || encoding === 'PLAIN_DICTIONARY' || encoding === 'RLE_DICTIONARY'
    if (isRun && this.#column.type === 'BOOLEAN') checkRuns(page, at + 4, 1, present)
    else if (isRun && page[at] !== 0) checkRuns(page, at + 1, page[at] ?? 0, present)
    else if (encoding === 'DELTA_BYTE_ARRAY') this.#checkPrefixes(page, at, present)
  }

  #newer({ uncompressed_page_size: size }: PageHeader, header: DataPageHeaderV2, page: Buffer): void {
    const { num_values: values, encoding } = header
    const nulls = whole(header.num_nulls, 'nulls of a page')
    const repetition = whole(header.repetition_levels_byte_length, 'bytes of levels')
    const definition = whole(header.definition_levels_byte_length, 'bytes of levels')
    whole(header.num_rows, 'rows of a page')
    if (nulls > values || repetition + definition > Math.min(page.length, size))
      throw new DataError('a page of the Parquet file says that it has more nulls than values, or more levels than bytes')
    if (this.#mostRepetition > 0) this.#checkRepetition(page, 0, values)
    if (this.#mostDefinition > 0) checkRuns(page, repetition, widthOf(this.#mostDefinition), values)
    const check = (unpackedPage: Buffer) => {
      if (encoding === 'RLE') checkRuns(unpackedPage, 4, 1, values - nulls)
      else if (encoding === 'PLAIN_DICTIONARY' || encoding === 'RLE_DICTIONARY')
        checkRuns(unpackedPage, 1, unpackedPage[0] ?? 0, values - nulls)
      else if (encoding === 'DELTA_BYTE_ARRAY') this.#checkPrefixes(unpackedPage, 0, values - nulls)
    }
    if (header.is_compressed !== false && size > repetition + definition) this.#checks.push(check)
    else check(page.subarray(repetition + (this.#mostDefinition > 0 ? definition : 0)))
  }

  #checkRepetition(page: Buffer, from: number, values: number): void {
    const begins = checkRuns(page, from, widthOf(this.#mostRepetition), values, this.#mostRepetition)
    this.#room.takeValues(begins, this.#listsWeight)
  }

  /** How many of the values are no nulls. */
  #present(page: Buffer, from: number, values: number): number {
    const levels = new Array<number>(values)
    readRleBitPackedHybrid({ view: viewOf(page), offset: from }, widthOf(this.#mostDefinition), levels)
    return levels.filter(level => level === this.#mostDefinition).length
  }

  /** Each value is made of a part of the one before, as long as it says, and the library copies it. */
  #checkPrefixes(page: Buffer, at: number, values: number): void {
    if (values === 0) return
    const reader = { view: viewOf(page), offset: at }
    const [prefixes, suffixes] = [new Int32Array(values), new Int32Array(values)]
    deltaBinaryUnpack(reader, values, prefixes)
    deltaBinaryUnpack(reader, values, suffixes)
    let bytes = 0
    for (let each = 0; each < values; each++) if (prefixes[each]! > 0) bytes += prefixes[each]! + Math.max(suffixes[each]!, 0)
    this.#room.takeBytes(bytes)
  }
}

function endOfLevels(page: Buffer, at: number): number {
  if (at + 4 > page.length) throw new DataError('a page of the Parquet file ends in the middle')
  return at + 4 + page.readUInt32LE(at)
}

/**
 * Of the hybrid of runs and packed bits; numbers are as the library reads them. Goes no further than the bytes do. Returns how many values of runs are less
 * than `bound`.
 */
function checkRuns(page: Buffer, from: number, width: number, values: number, bound = 0): number {
  let at = from
  let less = 0
  for (let seen = 0; seen < values && at < page.length; ) {
    let head = 0
    for (let shift = 0, isLast = false; !isLast; shift += 7) {
      const byte = page[at++] ?? 0
      head |= (byte & 0x7f) << shift
      isLast = byte < 0x80
    }
    const isPacked = (head & 1) === 1
    const count = isPacked ? (head >>> 1) * 8 : head >>> 1
    if (count > values + (isPacked ? mostFilling : 0))
      throw new DataError(`a run in a page of the Parquet file says that it has ${count} values, and the page has ${values}`)
    // Levels are never wider than a byte.
    if (!isPacked && page[at]! < bound) less += count
    at += isPacked ? Math.max((count / 8) * width, 1) : (width + 7) >> 3
    seen += count
  }
  return less
}

function widthOf(most: number): number {
  return 32 - Math.clz32(most)
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}

function whole(value: number | undefined, what: string): number {
  if (value === undefined || !Number.isSafeInteger(value) || value < 0)
    throw new DataError(`the number of ${what} of the Parquet file is ${value}`)
  return value
}

function unpacked(codec: string, page: Uint8Array, size: number): Buffer {
  const packed = Buffer.from(page.buffer, page.byteOffset, page.length)
  switch (codec) {
    case 'UNCOMPRESSED':
      return packed
    case 'GZIP':
      return gunzipSync(packed, { maxOutputLength: Math.max(size, 1) })
    case 'ZSTD':
      return zstdDecompressSync(packed, { maxOutputLength: Math.max(size, 1) })
    case 'SNAPPY': {
      const length = snappyLength(packed)
      if (length !== size) throw new DataError(`a page says that it has ${size} bytes unpacked, and its snappy block says ${length}`)
      return uncompressSync(packed) as Buffer
    }
    default:
      throw new DataError(`the codec ${codec} of the Parquet file is not known; UNCOMPRESSED, SNAPPY, GZIP and ZSTD are`)
  }
}
