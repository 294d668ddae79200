/**
 * Scans the batches of a segment file. Hides reading through a window and all checks: an invalid length, format, checksum or offset
 * ends the scan there, with the reason.
 */
import { header, type Offset } from '../../protocol.ts'

export interface Readable {
  read(buffer: Uint8Array, position: number): Promise<number>
}

export interface ScanRange {
  from: number
  /** Batches must end at or before this position. */
  to: number
  /** `whole`: the batches' bytes are read and their checksums verified; `headers`: only 61 bytes each, the rest is skipped. */
  what: 'whole' | 'headers'
  /** The first batch must not begin below. */
  minOffset: Offset
  /** How much is read at once, if a batch is not larger. */
  windowBytes?: number
}

/** Where the walk ended, and why it ended before `to` if not on request. */
export interface ScanEnd {
  position: number
  problem: string | null
}

/**
 * Called with each batch: it lies at `at` in `buffer` (only its header is there when scanning headers), which is used again after
 * the call, and at `position` in the file. `false` ends the walk before this batch.
 */
export type Visit = (buffer: Buffer, at: number, position: number) => boolean | undefined

const headersWindow = 8 << 10
const wholeWindow = 512 << 10

export async function scanBatches(file: Readable, range: ScanRange, visit: Visit): Promise<ScanEnd> {
  const wanted = range.windowBytes ?? (range.what === 'whole' ? wholeWindow : headersWindow)
  const window = new Window(file, Math.min(wanted, range.to - range.from), range.to)
  let minOffset = range.minOffset
  let position = range.from
  if (position > range.to) return { position, problem: `the file ends at ${range.to}` }
  while (position < range.to) {
    let at = window.indexOf(position, header.batchHeaderSize)
    if (at < 0) at = await window.fill(position, header.batchHeaderSize)
    if (at < 0) return { position, problem: 'the file ends inside a batch header' }
    const problem = headerProblem(window.bytes, at, minOffset, range.to - position)
    if (problem !== null) return { position, problem }
    const size = header.sizeBytes(window.bytes, at)
    if (range.what === 'whole') {
      if (window.indexOf(position, size) < 0) at = await window.fill(position, size)
      if (at < 0) return { position, problem: 'the file ends inside a batch' }
      if (header.computeCrc(window.bytes, at) !== header.crc(window.bytes, at)) return { position, problem: 'wrong checksum' }
    }
    minOffset = header.lastOffset(window.bytes, at) + 1
    if (visit(window.bytes, at, position) === false) return { position, problem: null }
    position += size
  }
  return { position, problem: null }
}

/** What is impossible about the header of a batch that has `room` bytes at most; null when nothing is. */
export function headerProblem(bytes: Buffer, at: number, minOffset: Offset, room: number): string | null {
  const size = header.sizeBytes(bytes, at)
  if (size < header.batchHeaderSize) return `a batch of only ${size} bytes`
  if (header.magic(bytes, at) !== 2) return `unsupported message format ${header.magic(bytes, at)}`
  if (size > room) return `a batch of ${size} bytes, but only ${room} bytes are left`
  const offset = header.baseOffset(bytes, at)
  if (offset < minOffset) return `offset ${offset}, but at least ${minOffset} is expected`
  if (offset > header.maxOffset) return `offset ${offset}, but the maximum is ${header.maxOffset}`
  if (header.lastOffsetDelta(bytes, at) < 0) return `invalid last offset delta ${header.lastOffsetDelta(bytes, at)}`
  return null
}

/** The part of the file that is in memory. */
class Window {
  bytes: Buffer
  readonly #file: Readable
  readonly #end: number
  #start = 0
  #length = 0

  constructor(file: Readable, size: number, end: number) {
    this.#file = file
    this.#end = end
    this.bytes = Buffer.allocUnsafeSlow(Math.max(size, header.batchHeaderSize))
  }

  /** Where in `bytes` the file's `position` is, when `need` bytes from there on are in memory; otherwise -1. */
  indexOf(position: number, need: number): number {
    return position >= this.#start && position + need <= this.#start + this.#length ? position - this.#start : -1
  }

  async fill(position: number, need: number): Promise<number> {
    if (need > this.bytes.length) this.bytes = Buffer.allocUnsafeSlow(need)
    const wanted = Math.min(this.bytes.length, this.#end - position)
    this.#length = await this.#file.read(this.bytes.subarray(0, wanted), position)
    this.#start = position
    return this.indexOf(position, need)
  }
}
