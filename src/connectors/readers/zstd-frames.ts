/**
 * The frames of a zstd file (RFC 8878): writers that work in parallel, and whoever joins files, make several. Node's decompressor reads one and says nothing of the
 * others, so each is given to one of its own.
 */
import { DataError } from '../../connector.ts'

const magic = 0xfd2fb528
const skippable = 0x184d2a50
const rle = 1

export class ZstdFrames {
  readonly #bytes: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(bytes: AsyncIterable<Buffer>) {
    this.#bytes = bytes[Symbol.asyncIterator]()
  }

  /** Whether there is another one; those without content are skipped. */
  async more(): Promise<boolean> {
    while (await this.#has()) {
      const head = await this.#take(4)
      if ((head.readUInt32LE() & 0xfffffff0) >>> 0 !== skippable) {
        this.#rest = Buffer.concat([head, this.#rest])
        return true
      }
      for await (const _ of this.#pass((await this.#take(4)).readUInt32LE()));
    }
    return false
  }

  /** The bytes of the next one. Throws DataError if it is none, or not all of it is there. */
  async *frame(): AsyncGenerator<Buffer> {
    const head = await this.#take(4)
    if (head.readUInt32LE() !== magic) throw new DataError('this is no zstd file')
    yield head
    const described = await this.#take(1)
    const flags = described[0]!
    yield described
    const isSingle = (flags & 0x20) !== 0
    const contentSize = flags >> 6 === 0 ? (isSingle ? 1 : 0) : 1 << (flags >> 6)
    yield await this.#take((isSingle ? 0 : 1) + [0, 1, 2, 4][flags & 3]! + contentSize)
    for (let isLast = false; !isLast; ) {
      const block = await this.#take(3)
      const bits = block.readUIntLE(0, 3)
      isLast = (bits & 1) === 1
      yield block
      yield* this.#pass(((bits >> 1) & 3) === rle ? 1 : bits >> 3)
    }
    if ((flags & 4) !== 0) yield await this.#take(4)
  }

  async #has(): Promise<boolean> {
    return this.#rest.length > 0 || (await this.#next())
  }

  async #next(): Promise<boolean> {
    const { value, done } = await this.#bytes.next()
    if (done === true) return false
    this.#rest = this.#rest.length === 0 ? value : Buffer.concat([this.#rest, value])
    return true
  }

  async #take(size: number): Promise<Buffer> {
    while (this.#rest.length < size) if (!(await this.#next())) throw new DataError('the zstd file ends in the middle')
    const taken = this.#rest.subarray(0, size)
    this.#rest = this.#rest.subarray(size)
    return taken
  }

  async *#pass(size: number): AsyncGenerator<Buffer> {
    for (let left = size; left > 0; ) {
      if (!(await this.#has())) throw new DataError('the zstd file ends in the middle')
      const part = await this.#take(Math.min(left, this.#rest.length))
      left -= part.length
      yield part
    }
  }
}
