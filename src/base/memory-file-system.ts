/**
 * A file system in memory, used by `memory: true` and most tests.
 *
 * Hides how bytes are kept (in chunks allocated when first written, so that a preallocated file costs nothing). It follows POSIX
 * where the storage engine depends on it: a handle outlives the rename or removal of its name, a rename replaces, a read past
 * the end is short, a name has at most 255 bytes, and a full disk accepts the first part of a write before it returns ENOSPC.
 */
import { posix } from 'node:path'
import { DirectoryInUse, DiskError, type FileHandle, type FileKind, type FileSystem, type OpenMode } from './file-system.ts'

export interface MemoryFileSystemOptions {
  /** Bytes of content that fit; above it writes fail with ENOSPC. Without a limit by default. */
  capacityBytes?: number
}

export function memoryFileSystem(options: MemoryFileSystemOptions = {}): FileSystem {
  const volume = new Volume(options.capacityBytes ?? Number.MAX_SAFE_INTEGER)
  return {
    open: (path, mode) => volume.open(path, mode),
    makeDirectory: path => volume.makeDirectory(path),
    list: path => volume.list(path),
    exists: path => volume.exists(path),
    stat: path => volume.stat(path),
    rename: (from, to) => volume.rename(from, to),
    remove: path => volume.remove(path),
    removeFile: async path => {
      if (volume.lookUp(path) !== undefined) volume.remove(path)
    },
    removeDirectory: async path => volume.removeDirectory(path),
    syncDirectory: async path => void volume.directory('open', path),
    syncDirectorySync: path => void volume.directory('open', path),
    readFile: path => volume.readFile(path),
    replaceFile: async (path, content) => volume.replaceFile(path, content),
    freeBytes: () => Math.max(volume.space.capacity - volume.space.used, 0),
    totalBytes: () => volume.space.capacity,
    lock: directory => volume.lock(directory),
    lockForReading: directory => volume.lock(directory),
    copyFile: async (from, to) => volume.copyFile(from, to),
  }
}

/** Large enough that a chunk costs little per byte, small enough that ten thousand short files fit. */
const chunkBytes = 64 * 1024
/** The first chunk of a file starts this small and doubles: most files of an idle partition stay tiny. */
const smallestChunkBytes = 1024
/** Of a file or a directory, as on Linux. */
const longestName = 255

/** What all files of one volume share. */
interface Space {
  readonly capacity: number
  used: number
}

/** The content of one file. Lives as long as a name or an open handle points to it. */
class Inode {
  size = 0
  links = 1
  handles = 0
  /** A hole is `undefined`; every byte past a chunk's end reads as zero. */
  #chunks: (Buffer | undefined)[] = []
  readonly #space: Space

  constructor(space: Space) {
    this.#space = space
  }

  /** Returns how many bytes fitted. */
  write(bytes: Uint8Array, position: number): number {
    let done = 0
    while (done < bytes.length) {
      const at = position + done
      const start = at % chunkBytes
      const count = Math.min(chunkBytes - start, bytes.length - done)
      const chunk = this.#chunkFor(Math.floor(at / chunkBytes), start + count)
      if (chunk === null) break
      chunk.set(done === 0 && count === bytes.length ? bytes : bytes.subarray(done, done + count), start)
      done += count
    }
    if (done > 0) this.size = Math.max(this.size, position + done)
    return done
  }

  /** The chunk, at least `needed` bytes long; null when the volume is full. */
  #chunkFor(index: number, needed: number): Buffer | null {
    const present = this.#chunks[index]
    if (present !== undefined && present.length >= needed) return present
    let length = chunkBytes
    if (index === 0) {
      length = Math.max(present?.length ?? 0, smallestChunkBytes)
      while (length < needed) length *= 2
    }
    const growth = length - (present?.length ?? 0)
    if (this.#space.used + growth > this.#space.capacity) return null
    const chunk = Buffer.alloc(length)
    if (present !== undefined) chunk.set(present)
    while (this.#chunks.length < index) this.#chunks.push(undefined)
    this.#chunks[index] = chunk
    this.#space.used += growth
    return chunk
  }

  read(into: Uint8Array, position: number): number {
    const total = Math.max(Math.min(into.length, this.size - position), 0)
    for (let done = 0; done < total; ) {
      const at = position + done
      const start = at % chunkBytes
      const count = Math.min(chunkBytes - start, total - done)
      const chunk = this.#chunks[Math.floor(at / chunkBytes)]
      const present = chunk === undefined ? 0 : Math.max(Math.min(chunk.length - start, count), 0)
      if (present > 0) into.set(chunk!.subarray(start, start + present), done)
      if (present < count) into.fill(0, done + present, done + count)
      done += count
    }
    return total
  }

  truncate(size: number): void {
    if (size < this.size) {
      const keep = Math.ceil(size / chunkBytes)
      for (let index = keep; index < this.#chunks.length; index++) this.#space.used -= this.#chunks[index]?.length ?? 0
      this.#chunks.length = Math.min(this.#chunks.length, keep)
      // What lies behind the new end must read as zero should the file grow again.
      const last = this.#chunks[keep - 1]
      const end = size % chunkBytes
      if (last !== undefined && end !== 0 && end < last.length) last.fill(0, end)
    }
    this.size = size
  }

  /** Gives the bytes back once nothing can reach them. */
  release(): void {
    if (this.links === 0 && this.handles === 0) this.truncate(0)
  }
}

type Directory = Map<string, Node>
type Node = Inode | Directory

class Volume {
  readonly space: Space
  readonly #root: Directory = new Map()
  readonly #locks = new Set<string>()

  constructor(capacity: number) {
    this.space = { capacity, used: 0 }
  }

  open(path: string, mode: OpenMode): FileHandle {
    const { parent, name } = this.#place('open', path)
    let node = parent.get(name)
    if (node instanceof Map) throw new DiskError('open', path, 'EISDIR')
    if (node === undefined) {
      if (mode !== 'rw' && mode !== 'a') throw new DiskError('open', path, 'ENOENT')
      node = new Inode(this.space)
      parent.set(name, node)
    }
    return new MemoryFile(path, node, mode)
  }

  makeDirectory(path: string): void {
    let directory = this.#root
    for (const name of namesOf(path)) {
      checkName('mkdir', path, name)
      let next = directory.get(name)
      if (next instanceof Inode) throw new DiskError('mkdir', path, 'ENOTDIR')
      if (next === undefined) {
        next = new Map()
        directory.set(name, next)
      }
      directory = next
    }
  }

  exists(path: string): boolean {
    checkName('stat', path, posix.basename(path))
    return this.lookUp(path) !== undefined
  }

  stat(path: string): { size: number; modifiedMs: null } | null {
    const node = this.lookUp(path)
    return node instanceof Inode ? { size: node.size, modifiedMs: null } : null
  }

  list(path: string): { name: string; kind: FileKind }[] {
    const entries: { name: string; kind: FileKind }[] = []
    for (const [name, node] of this.directory('readdir', path)) entries.push({ name, kind: node instanceof Map ? 'directory' : 'file' })
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  rename(from: string, to: string): void {
    const source = this.#place('rename', from)
    const target = this.#place('rename', to)
    const node = source.parent.get(source.name)
    if (node === undefined) throw new DiskError('rename', from, 'ENOENT')
    const replaced = target.parent.get(target.name)
    if (replaced === node) return
    if (replaced instanceof Map && node instanceof Inode) throw new DiskError('rename', to, 'EISDIR')
    if (replaced instanceof Inode && node instanceof Map) throw new DiskError('rename', to, 'ENOTDIR')
    if (replaced instanceof Map && replaced.size > 0) throw new DiskError('rename', to, 'ENOTEMPTY')
    if (node instanceof Map && resolvePath(to).startsWith(`${resolvePath(from)}/`)) throw new DiskError('rename', to, 'EINVAL')
    if (replaced instanceof Inode) unlink(replaced)
    source.parent.delete(source.name)
    target.parent.set(target.name, node)
  }

  remove(path: string): void {
    const { parent, name } = this.#place('unlink', path)
    const node = parent.get(name)
    if (node === undefined) throw new DiskError('unlink', path, 'ENOENT')
    if (node instanceof Map) throw new DiskError('unlink', path, 'EISDIR')
    parent.delete(name)
    unlink(node)
  }

  removeDirectory(path: string): void {
    const node = this.lookUp(path)
    if (node === undefined) return
    const { parent, name } = this.#place('rm', path)
    parent.delete(name)
    unlinkAll(node)
  }

  readFile(path: string): Buffer | null {
    const node = this.lookUp(path)
    if (node === undefined) return null
    if (node instanceof Map) throw new DiskError('read', path, 'EISDIR')
    const content = Buffer.allocUnsafe(node.size)
    node.read(content, 0)
    return content
  }

  copyFile(from: string, to: string): 'copied' {
    const content = this.readFile(from)
    if (content === null) throw new DiskError('copy', from, 'ENOENT')
    this.replaceFile(to, content)
    return 'copied'
  }

  replaceFile(path: string, content: Uint8Array): void {
    const { parent, name } = this.#place('replace', path)
    const old = parent.get(name)
    if (old instanceof Map) throw new DiskError('replace', path, 'EISDIR')
    const node = new Inode(this.space)
    if (node.write(content, 0) < content.length) {
      unlink(node)
      throw new DiskError('replace', path, 'ENOSPC')
    }
    parent.set(name, node)
    if (old !== undefined) unlink(old)
  }

  lock(directory: string): { release(): void } {
    this.directory('lock', directory)
    const path = resolvePath(directory)
    if (this.#locks.has(path)) throw new DirectoryInUse(directory, 'another broker of this process')
    this.#locks.add(path)
    return { release: () => void this.#locks.delete(path) }
  }

  lookUp(path: string): Node | undefined {
    let node: Node | undefined = this.#root
    for (const name of namesOf(path)) {
      if (!(node instanceof Map)) return undefined
      node = node.get(name)
    }
    return node
  }

  directory(operation: string, path: string): Directory {
    const node = this.lookUp(path)
    if (node === undefined) throw new DiskError(operation, path, 'ENOENT')
    if (!(node instanceof Map)) throw new DiskError(operation, path, 'ENOTDIR')
    return node
  }

  /** The directory that holds, or would hold, the last name of `path`. */
  #place(operation: string, path: string): { parent: Directory; name: string } {
    const resolved = resolvePath(path)
    const slash = resolved.lastIndexOf('/')
    const name = resolved.slice(slash + 1)
    if (name === '') throw new DiskError(operation, path, 'EBUSY')
    checkName(operation, path, name)
    return { parent: this.directory(operation, resolved.slice(0, slash)), name }
  }
}

class MemoryFile implements FileHandle {
  readonly path: string
  readonly #inode: Inode
  readonly #writable: boolean
  readonly #appends: boolean
  #closed = false

  constructor(path: string, inode: Inode, mode: OpenMode) {
    this.path = path
    this.#inode = inode
    this.#writable = mode !== 'r'
    this.#appends = mode === 'a'
    inode.handles++
  }

  writeSync(buffers: readonly Uint8Array[], position: number): void {
    const inode = this.#usable('write', true)
    let at = this.#appends ? inode.size : position
    for (const buffer of buffers) {
      if (inode.write(buffer, at) < buffer.length) throw new DiskError('write', this.path, 'ENOSPC')
      at += buffer.length
    }
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    this.writeSync(buffers, position)
  }

  readSync(buffer: Uint8Array, position: number): number {
    return this.#usable('read').read(buffer, position)
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    return this.readSync(buffer, position)
  }

  size(): number {
    return this.#usable('fstat').size
  }

  truncate(size: number): void {
    this.#usable('ftruncate', true).truncate(size)
  }

  async datasync(): Promise<void> {
    this.#usable('fdatasync')
  }

  datasyncSync(): void {
    this.#usable('fdatasync')
  }

  close(): void {
    const inode = this.#usable('close')
    this.#closed = true
    inode.handles--
    inode.release()
  }

  #usable(operation: string, writing = false): Inode {
    if (this.#closed || (writing && !this.#writable)) throw new DiskError(operation, this.path, 'EBADF')
    return this.#inode
  }
}

function checkName(operation: string, path: string, name: string): void {
  if (Buffer.byteLength(name) > longestName) throw new DiskError(operation, path, 'ENAMETOOLONG')
}

function unlink(inode: Inode): void {
  inode.links = 0
  inode.release()
}

function unlinkAll(node: Node): void {
  if (node instanceof Inode) unlink(node)
  else for (const child of node.values()) unlinkAll(child)
}

/** Relative paths hang off the root: a volume in memory has no working directory. */
function resolvePath(path: string): string {
  return posix.resolve('/', path)
}

function namesOf(path: string): string[] {
  return resolvePath(path).split('/').filter(Boolean)
}
