/** Frames from a runner, of which none may be larger than a limit: what it sends is a stranger's. */

export class FrameTooLarge extends Error {}

export class Frames {
  readonly #mostBytes: number
  #parts: Buffer[] = []
  #size = 0

  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes
  }

  /** The frames that are complete now. Throws FrameTooLarge as soon as one says that it will be. */
  take(chunk: Buffer): Buffer[] {
    this.#parts.push(chunk)
    this.#size += chunk.length
    const frames: Buffer[] = []
    while (this.#size >= 4) {
      if (this.#parts[0]!.length < 4) this.#parts = [Buffer.concat(this.#parts)]
      const length = this.#parts[0]!.readUInt32BE(0)
      if (length > this.#mostBytes) throw new FrameTooLarge(`${length} bytes`)
      if (this.#size < length + 4) break
      const all = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts)
      frames.push(all.subarray(4, length + 4))
      const rest = all.subarray(length + 4)
      this.#parts = rest.length === 0 ? [] : [rest]
      this.#size = rest.length
    }
    return frames
  }
}

export function frame(text: string): Buffer {
  const bytes = Buffer.allocUnsafe(4 + Buffer.byteLength(text))
  bytes.writeUInt32BE(bytes.length - 4)
  bytes.write(text, 4)
  return bytes
}
