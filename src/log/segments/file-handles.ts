/**
 * A bounded set of open files, shared by all partitions: 10,000 partitions have more files than a process may open. Files are opened when
 * used (and made when missing); one not used for long is closed first, but never while an asynchronous operation runs on it. "Long" is told by
 * a second chance, so that a use costs no more than a flag.
 */
import type { FileHandle, FileSystem } from '../../base.ts'

interface Open {
  handle: FileHandle
  /** Asynchronous operations on it. */
  pins: number
  /** Close when the last pin goes. */
  doomed: boolean
  /** Since it was opened or last spared from being closed. */
  used: boolean
}

export class FileHandles {
  readonly #files: FileSystem
  readonly #limit: number
  /** Oldest first; one that was used goes to the end when its turn comes. */
  readonly #open = new Map<string, Open>()

  constructor(files: FileSystem, limit: number) {
    this.#files = files
    this.#limit = limit
  }

  get openFiles(): number {
    return this.#open.size
  }

  /** For synchronous use before anything else is called here. */
  get(path: string): FileHandle {
    return this.#use(path).handle
  }

  /** Runs an asynchronous operation on the file; it stays open until then. */
  async with<T>(path: string, operation: (handle: FileHandle) => Promise<T>): Promise<T> {
    const open = this.#use(path)
    open.pins++
    try {
      return await operation(open.handle)
    } finally {
      if (--open.pins === 0 && open.doomed) open.handle.close()
    }
  }

  /** Closes the file (as soon as nothing runs on it): before it is renamed or removed. */
  forget(path: string): void {
    const open = this.#open.get(path)
    if (open === undefined) return
    this.#open.delete(path)
    if (open.pins === 0) open.handle.close()
    else open.doomed = true
  }

  closeAll(): void {
    for (const path of [...this.#open.keys()]) this.forget(path)
  }

  #use(path: string): Open {
    let open = this.#open.get(path)
    if (open === undefined) {
      this.#makeRoom()
      open = { handle: this.#files.open(path, 'rw'), pins: 0, doomed: false, used: false }
      this.#open.set(path, open)
    } else open.used = true
    return open
  }

  #makeRoom(): void {
    if (this.#open.size < this.#limit) return
    let turns = 2 * this.#open.size
    for (const [path, open] of this.#open) {
      if (turns-- === 0) return
      if (open.used || open.pins > 0) {
        open.used = false
        this.#open.delete(path)
        this.#open.set(path, open)
        continue
      }
      this.forget(path)
      if (this.#open.size < this.#limit) return
    }
  }
}
