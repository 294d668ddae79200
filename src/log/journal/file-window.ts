/** Reads a file of any size through a window of memory, which never grows beyond the requested range. */
import type { FileHandle } from '../../base.ts'

export class FileWindow {
  readonly size: number
  readonly #file: FileHandle
  readonly #windowBytes: number
  /** Called before bytes that were handed out are overwritten. */
  readonly #beforeMove: () => void
  #bytes: Buffer
  #start = 0
  #length = 0

  constructor(file: FileHandle, windowBytes: number, beforeMove: () => void = () => {}, memory: Buffer = Buffer.alloc(0)) {
    this.#file = file
    this.#windowBytes = windowBytes
    this.#beforeMove = beforeMove
    this.#bytes = memory
    this.size = file.size()
  }

  /** The memory, for the next window. */
  get memory(): Buffer {
    return this.#bytes
  }

  /** `length` bytes from `at` on; fewer at the end of the file. Valid until the next call. */
  view(at: number, length: number): Buffer {
    const wanted = Math.max(0, Math.min(length, this.size - at))
    if (at < this.#start || at + wanted > this.#start + this.#length) this.#move(at, wanted)
    return this.#bytes.subarray(at - this.#start, Math.min(at + wanted, this.#start + this.#length) - this.#start)
  }

  /** Where `what` next begins, from `from` on; -1 when nowhere. */
  find(what: Buffer, from: number): number {
    for (let at = from; at + what.length <= this.size; ) {
      const bytes = this.view(at, Math.min(this.#windowBytes, this.size - at))
      const found = bytes.indexOf(what)
      if (found >= 0) return at + found
      if (bytes.length < what.length) return -1
      at += bytes.length - what.length + 1
    }
    return -1
  }

  #move(at: number, wanted: number): void {
    this.#beforeMove()
    const length = Math.min(Math.max(wanted, this.#windowBytes), this.size - at)
    if (this.#bytes.length < length) this.#bytes = Buffer.allocUnsafeSlow(length)
    this.#length = this.#file.readSync(this.#bytes.subarray(0, length), at)
    this.#start = at
  }
}
