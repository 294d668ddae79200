/** The local disk through `node:fs`: continues short writes, turns system errors into DiskError, and never retries a sync. */
import fs from 'node:fs'
import { dirname, join } from 'node:path'
import { lockDirectory, lockForReading } from './directory-lock.ts'
import { DiskError, type FileHandle, type FileKind, type FileSystem, type OpenMode } from './file-system.ts'

/**
 * Node's own four are far too few: syncs of many files share the file system's commits, so that sixteen at a time are several times as many
 * per second. Read by libuv when it first needs a thread, which is after this.
 */
process.env['UV_THREADPOOL_SIZE'] ??= '16'

export function localFileSystem(): FileSystem {
  return {
    threads: Number(process.env['UV_THREADPOOL_SIZE']) || 4,
    open: (path, mode) =>
      new LocalFile(
        path,
        guard('open', path, () => fs.openSync(path, openFlags[mode], 0o640)),
      ),
    makeDirectory: path => void guard('mkdir', path, () => makeDirectory(path)),
    list: path => guard('readdir', path, () => listDirectory(path)),
    exists: path => guard('stat', path, () => fs.statSync(path, { throwIfNoEntry: false }) !== undefined),
    stat: path => guard('stat', path, () => stat(path)),
    rename: (from, to) => guard('rename', from, () => fs.renameSync(from, to)),
    remove: path => guard('unlink', path, () => fs.unlinkSync(path)),
    removeFile: path => settle('unlink', path, removeFile(path)),
    removeDirectory: path => settle('rmdir', path, removeDirectory(path)),
    syncDirectory,
    syncDirectorySync,
    readFile: path => readWhole(path),
    replaceFile: (path, content) => settle('replace', path, replaceFile(path, content)),
    freeBytes: path => guard('statfs', path, () => volume(path).freeBytes),
    totalBytes: path => guard('statfs', path, () => volume(path).totalBytes),
    lock: directory => guard('lock', directory, () => lockDirectory(directory)),
    lockForReading: directory => guard('lock', directory, () => lockForReading(directory)),
    copyFile: (from, to) => settle('copy', from, copyFile(from, to)),
  }
}

const { O_RDONLY, O_RDWR, O_CREAT, O_APPEND } = fs.constants
const openFlags: Record<OpenMode, number> = { r: O_RDONLY, 'r+': O_RDWR, rw: O_RDWR | O_CREAT, a: O_RDWR | O_CREAT | O_APPEND }

class LocalFile implements FileHandle {
  readonly path: string
  readonly #fd: number

  constructor(path: string, fd: number) {
    this.path = path
    this.#fd = fd
  }

  writeSync(buffers: readonly Uint8Array[], position: number): void {
    guard('write', this.path, () => {
      const total = byteCount(buffers)
      let done =
        buffers.length === 1
          ? fs.writeSync(this.#fd, buffers[0]!, 0, total, position)
          : fs.writevSync(this.#fd, buffers as Uint8Array[], position)
      while (done < total) done += fs.writevSync(this.#fd, dropBytes(buffers, done), position + done)
    })
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    const total = byteCount(buffers)
    for (let done = 0; done < total; ) {
      const rest = done === 0 ? (buffers as Uint8Array[]) : dropBytes(buffers, done)
      done += await new Promise<number>((resolve, reject) =>
        fs.writev(this.#fd, rest, position + done, (error, written) =>
          error ? reject(diskError('write', this.path, error)) : resolve(written),
        ),
      )
    }
  }

  readSync(buffer: Uint8Array, position: number): number {
    return guard('read', this.path, () => {
      let done = 0
      while (done < buffer.length) {
        const got = fs.readSync(this.#fd, buffer, done, buffer.length - done, position + done)
        if (got === 0) break
        done += got
      }
      return done
    })
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    let done = 0
    while (done < buffer.length) {
      const got = await new Promise<number>((resolve, reject) =>
        fs.read(this.#fd, buffer, done, buffer.length - done, position + done, (error, bytes) =>
          error ? reject(diskError('read', this.path, error)) : resolve(bytes),
        ),
      )
      if (got === 0) break
      done += got
    }
    return done
  }

  size(): number {
    return guard('fstat', this.path, () => fs.fstatSync(this.#fd).size)
  }

  truncate(size: number): void {
    guard('ftruncate', this.path, () => fs.ftruncateSync(this.#fd, size))
  }

  datasync(): Promise<void> {
    return new Promise((resolve, reject) =>
      fs.fdatasync(this.#fd, error => (error ? reject(diskError('fdatasync', this.path, error)) : resolve())),
    )
  }

  datasyncSync(): void {
    guard('fdatasync', this.path, () => fs.fdatasyncSync(this.#fd))
  }

  close(): void {
    guard('close', this.path, () => fs.closeSync(this.#fd))
  }
}

function byteCount(buffers: readonly Uint8Array[]): number {
  let total = 0
  for (const buffer of buffers) total += buffer.length
  return total
}

/** What remains of `buffers` after their first `bytes`. */
function dropBytes(buffers: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const rest: Uint8Array[] = []
  for (const buffer of buffers) {
    if (bytes >= buffer.length) bytes -= buffer.length
    else {
      rest.push(bytes === 0 ? buffer : buffer.subarray(bytes))
      bytes = 0
    }
  }
  return rest
}

function stat(path: string): { size: number; modifiedMs: number; inode: number; isOrdinary: boolean } | null {
  const found = fs.statSync(path, { throwIfNoEntry: false })
  return found === undefined ? null : { size: found.size, modifiedMs: found.mtimeMs, inode: found.ino, isOrdinary: found.isFile() }
}

/** Not Node's `recursive`, which never ends where the system refuses a name below a directory that is there (`/proc/x`). */
function makeDirectory(path: string): void {
  try {
    fs.mkdirSync(path, { mode: 0o750 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && fs.statSync(path).isDirectory()) return
    const parent = dirname(path)
    if (code !== 'ENOENT' || parent === path || fs.existsSync(parent)) throw error
    makeDirectory(parent)
    makeDirectory(path)
  }
}

function listDirectory(path: string): { name: string; kind: FileKind }[] {
  return fs
    .readdirSync(path, { withFileTypes: true })
    .flatMap(entry => {
      const kind = kindOf(path, entry)
      return kind === null ? [] : [{ name: entry.name, kind }]
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Of a link, what it leads to: operators move a large directory to another volume. */
function kindOf(path: string, entry: fs.Dirent): FileKind | null {
  const found = entry.isSymbolicLink() ? targetOf(join(path, entry.name)) : entry
  // A link that leads nowhere (the volume is not mounted) is missed by whoever opens it, not taken for absent.
  if (found === undefined || found.isDirectory()) return 'directory'
  return found.isFile() ? 'file' : null
}

function targetOf(link: string): fs.Stats | undefined {
  try {
    return fs.statSync(link, { throwIfNoEntry: false })
  } catch {
    return undefined
  }
}

/** A directory that cannot be opened (it is gone, no descriptor is left) was not synced: that is no failed sync. */
function syncDirectorySync(path: string): void {
  const fd = guard('open', path, () => fs.openSync(path, 'r'))
  try {
    guard('fsync', path, () => fs.fsyncSync(fd))
  } finally {
    fs.closeSync(fd)
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await settle('open', path, fs.promises.open(path, 'r'))
  try {
    await settle('fsync', path, directory.sync())
  } finally {
    await directory.close()
  }
}

/** As much is given back to the file system at once: more would keep all who write to it waiting. */
const removeStepBytes = 32 << 20

async function removeFile(path: string): Promise<void> {
  try {
    const { size, nlink } = await fs.promises.lstat(path)
    // A file that also has another name, for example in a backup, must stay intact under that name.
    for (let left = size - removeStepBytes; left > 0 && nlink === 1; left -= removeStepBytes) await fs.promises.truncate(path, left)
    await fs.promises.unlink(path)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

async function removeDirectory(path: string): Promise<void> {
  try {
    for (const entry of await fs.promises.readdir(path, { withFileTypes: true })) {
      const inside = join(path, entry.name)
      await (entry.isDirectory() ? removeDirectory(inside) : removeFile(inside))
    }
    const isLink = (await fs.promises.lstat(path)).isSymbolicLink()
    await (isLink ? fs.promises.unlink(path) : fs.promises.rmdir(path))
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

function isMissing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT'
}

async function replaceFile(path: string, content: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`
  const file = await fs.promises.open(temporary, 'w', 0o640)
  try {
    await file.writeFile(content)
    await file.datasync()
  } finally {
    await file.close()
  }
  await fs.promises.rename(temporary, path)
  await syncDirectory(dirname(path))
}

async function copyFile(from: string, to: string): Promise<'cloned' | 'copied'> {
  // A hard link would share later changes of either side.
  const how = await fs.promises.copyFile(from, to, fs.constants.COPYFILE_FICLONE_FORCE).then(
    () => 'cloned' as const,
    () => fs.promises.copyFile(from, to).then(() => 'copied' as const),
  )
  // Not as in the original, which may be for reading only, or for others.
  await fs.promises.chmod(to, 0o640)
  const file = await fs.promises.open(to, 'r+')
  try {
    await file.datasync()
  } finally {
    await file.close()
  }
  return how
}

function readWhole(path: string): Buffer | null {
  try {
    return fs.readFileSync(path)
  } catch (error) {
    if (isMissing(error)) return null
    throw diskError('read', path, error)
  }
}

function volume(path: string): { freeBytes: number; totalBytes: number } {
  const { bavail, blocks, bsize } = fs.statfsSync(path)
  return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
}

function diskError(operation: string, path: string, error: unknown): DiskError {
  if (error instanceof DiskError) return error
  return new DiskError(operation, path, (error as NodeJS.ErrnoException).code ?? String(error))
}

function guard<T>(operation: string, path: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw diskError(operation, path, error)
  }
}

async function settle<T>(operation: string, path: string, action: Promise<T>): Promise<T> {
  try {
    return await action
  } catch (error) {
    throw diskError(operation, path, error)
  }
}
