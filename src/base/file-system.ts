/**
 * The file operations that Millrace needs, and what each guarantees. There are three implementations: the local disk, memory
 * (`memory: true`), and the simulator's recording disk, which loses all data that was not synced.
 *
 * Synchronous calls work on the page cache, for small or hot operations. Asynchronous calls run on a thread, for operations that wait
 * for the disk (`datasync`) or move much data.
 */

/** A failed disk operation. `code` is the system's: ENOSPC, EIO, ENOENT, EACCES, … */
export class DiskError extends Error {
  readonly code: string
  readonly operation: string
  readonly path: string

  constructor(operation: string, path: string, code: string) {
    super(`${operation} ${path}: ${code}`)
    this.name = 'DiskError'
    this.operation = operation
    this.path = path
    this.code = code
  }

  /** The state of the disk is unknown from now on, and a retry would prove nothing: the process must stop and recover. */
  get isFailedSync(): boolean {
    return this.operation === 'fdatasync' || this.operation === 'fsync'
  }

  /** Nothing is wrong with the file: the whole machine lacks room, descriptors or memory, or its file system takes no writes. */
  get isShortage(): boolean {
    return shortages.has(this.code)
  }
}

const shortages: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE', 'ENFILE', 'ENOMEM', 'EAGAIN'])

/** Another broker uses the directory. `holder` describes it, as far as known. */
export class DirectoryInUse extends DiskError {
  constructor(directory: string, holder: string) {
    super('lock', directory, 'EBUSY')
    this.name = 'DirectoryInUse'
    this.message = `${directory} is in use by ${holder}`
  }
}

export interface FileHandle {
  readonly path: string
  /** Writes all bytes of all buffers from `position` on, or throws DiskError; short writes are continued. */
  writeSync(buffers: readonly Uint8Array[], position: number): void
  write(buffers: readonly Uint8Array[], position: number): Promise<void>
  /** Fills `buffer` from `position` on; returns how many bytes there were (fewer only at the end of the file). */
  readSync(buffer: Uint8Array, position: number): number
  read(buffer: Uint8Array, position: number): Promise<number>
  /** Bytes in the file now. */
  size(): number
  truncate(size: number): void
  /** Resolves when all that was written before the call survives a power cut. After a DiskError nothing is known: never retry. */
  datasync(): Promise<void>
  datasyncSync(): void
  close(): void
}

export type FileKind = 'file' | 'directory'

/**
 * `r`: must exist, read only; `r+`: must exist; `rw`: created when missing; `a`: likewise, and what is written goes behind what anybody else has written, wherever
 * its position. None of them truncates the file.
 */
export type OpenMode = 'r' | 'r+' | 'rw' | 'a'

export interface FileSystem {
  /** How many asynchronous operations run at the same time; more wait. Default: a few. */
  readonly threads?: number
  open(path: string, mode: OpenMode): FileHandle
  /** Creates the directory and its parents; no effect if it exists. */
  makeDirectory(path: string): void
  /** Names in a directory, sorted, with their kinds, those of links being what they lead to; throws ENOENT when it is missing. */
  list(path: string): { name: string; kind: FileKind }[]
  /** Throws if this cannot be determined: a name that cannot be looked up must not be taken for a missing one. */
  exists(path: string): boolean
  /**
   * null when the file is missing. `modifiedMs`: wall clock when it was last written to; null if unknown. `inode`: stays when it is renamed; if known.
   * `isOrdinary`: false of directories, and of devices and pipes, which may have no end; if known.
   */
  stat(path: string): { size: number; modifiedMs: number | null; inode?: number; isOrdinary?: boolean } | null
  /** Atomic; replaces a file of that name. */
  rename(from: string, to: string): void
  remove(path: string): void
  /** The same off the event loop, for files that may be large: freeing a gigabyte takes a tenth of a second. No effect if missing. */
  removeFile(path: string): Promise<void>
  /** Removes it with its contents, in the same way. No effect if missing. */
  removeDirectory(path: string): Promise<void>
  /** Makes creations, renames and removals of names in this directory survive a power cut. Throws ENOENT, no failed sync, when it is missing. */
  syncDirectory(path: string): Promise<void>
  syncDirectorySync(path: string): void
  /** Whole small file, or null when it is missing. */
  readFile(path: string): Buffer | null
  /** Writes to a temporary name, datasyncs, renames, syncs the directory: the file has either the old or the new content, never a mixture. */
  replaceFile(path: string, content: Uint8Array): Promise<void>
  /** Bytes an ordinary process may still write to the volume that holds `path`. */
  freeBytes(path: string): number
  /** Size of that volume. */
  totalBytes(path: string): number
  /** Locks the directory for this process until it ends; throws DirectoryInUse while another broker holds it, also one in this process. */
  lock(directory: string): { release(): void }
  /**
   * Keeps brokers, also Kafka, from using a directory that is only read, and changes nothing in it. Throws DirectoryInUse while one holds
   * it; null where no broker ever ran, so that there is nothing to lock.
   */
  lockForReading(directory: string): { release(): void } | null
  /** A durable copy, independent of later changes to the original; needs no space if the file system can share blocks. */
  copyFile(from: string, to: string): Promise<'cloned' | 'copied'>
}
