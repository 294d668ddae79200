/**
 * A bounded set of open files, shared by all partitions, because 10,000 partitions have more files than a process may open. Files are opened
 * when used; those not used for longest are closed first, but never during an asynchronous operation. They are found with a second-chance
 * algorithm, so that a use only sets a flag.
 *
 * Only `create` creates a file. If every use could, a file that was removed or renamed elsewhere would come back empty.
 */
import { DiskError, type FileHandle, type FileSystem, type OpenMode } from '../../base.ts'

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
    return this.#use(path, 'r+').handle
  }

  /** Creates the file; it is empty, even if a file of that name existed. */
  create(path: string): FileHandle {
    const { handle } = this.#use(path, 'rw')
    if (handle.size() > 0) handle.truncate(0)
    return handle
  }

  /** Runs an asynchronous operation on the file; it stays open until then. */
  async with<T>(path: string, operation: (handle: FileHandle) => Promise<T>): Promise<T> {
    const open = this.#use(path, 'r+')
    open.pins++
    try {
      return await operation(open.handle)
    } finally {
      if (--open.pins === 0 && open.doomed) close(open)
    }
  }

  /** Closes the file (as soon as nothing runs on it): before it is renamed or removed. */
  forget(path: string): void {
    const open = this.#open.get(path)
    if (open === undefined) return
    this.#open.delete(path)
    if (open.pins === 0) close(open)
    else open.doomed = true
  }

  /** Of all files in the directory: before that is renamed. Looks at all that are open. */
  forgetIn(directory: string): void {
    for (const path of [...this.#open.keys()]) if (path.startsWith(`${directory}/`)) this.forget(path)
  }

  closeAll(): void {
    for (const path of [...this.#open.keys()]) this.forget(path)
  }

  #use(path: string, mode: OpenMode): Open {
    let open = this.#open.get(path)
    if (open === undefined) {
      this.#makeRoom(this.#limit - 1)
      open = { handle: this.#openFile(path, mode), pins: 0, doomed: false, used: false }
      this.#open.set(path, open)
    } else open.used = true
    return open
  }

  /** If the process or the system has no descriptor left, closes other files of the log, so that this one does not fail. */
  #openFile(path: string, mode: OpenMode): FileHandle {
    try {
      return this.#files.open(path, mode)
    } catch (error) {
      if (!(error instanceof DiskError) || (error.code !== 'EMFILE' && error.code !== 'ENFILE')) throw error
      this.#makeRoom(this.#open.size >> 1)
      return this.#files.open(path, mode)
    }
  }

  /** Closes files until at most so many are open, or all that can be spared are closed. */
  #makeRoom(most: number): void {
    if (this.#open.size <= most) return
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
      if (this.#open.size <= most) return
    }
  }
}

/** A failed close does no harm: data that must survive is synced, and the next sync of the file reports a lost write. */
function close({ handle }: Open): void {
  try {
    handle.close()
  } catch (error) {
    if (!(error instanceof DiskError)) throw error
  }
}
