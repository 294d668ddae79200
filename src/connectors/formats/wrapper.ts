/** Compression around a whole file: one member of gzip, or one frame of zstd, because not every reader goes on behind the first. */
import { once } from 'node:events'
import { constants, createGzip, createZstdCompress } from 'node:zlib'

export class Wrapper {
  readonly #stream: ReturnType<typeof createGzip> | ReturnType<typeof createZstdCompress>
  #parts: Buffer[] = []

  constructor(kind: 'gzip' | 'zstd', level: number | null) {
    this.#stream =
      kind === 'gzip'
        ? createGzip(level === null ? {} : { level })
        : createZstdCompress(level === null ? {} : { params: { [constants.ZSTD_c_compressionLevel]: level } })
    this.#stream.on('data', (part: Buffer) => this.#parts.push(part))
  }

  /** What has come out so far. */
  async push(block: Buffer): Promise<Buffer> {
    await new Promise<void>((resolve, reject) => this.#stream.write(block, error => (error ? reject(error) : resolve())))
    return this.#take()
  }

  async end(block: Buffer): Promise<Buffer> {
    const ended = once(this.#stream, 'end')
    this.#stream.end(block)
    await ended
    return this.#take()
  }

  close(): void {
    this.#stream.destroy()
  }

  #take(): Buffer {
    const all = Buffer.concat(this.#parts)
    this.#parts = []
    return all
  }
}
