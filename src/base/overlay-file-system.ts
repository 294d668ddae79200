/**
 * A directory that may be changed without being changed: reads come from the directory, and everything that is written stays in memory.
 *
 * With it a data directory is recovered as a broker does it, by the same code, though it is only to be looked at. What is in memory is what
 * recovery writes: at most what the journal holds, in pages of {@link pageBytes}.
 *
 * Nothing else may change the directory meanwhile. Paths outside of it are read as they are, and cannot be written to.
 */
import { DiskError, type FileHandle, type FileKind, type FileSystem, type OpenMode } from './file-system.ts'

const pageBytes = 4096

/** `root`: an absolute path, without `.`, `..` or a slash at the end. */
export function overlayFileSystem(lower: FileSystem, root: string): FileSystem {
  const tree = new Tree(lower, root)
  const own = <T>(operation: string, path: string, inside: () => T, outside: () => T = () => refuse(operation, path, 'EROFS')): T =>
    tree.has(path) ? inside() : outside()
  const removeAll = async (path: string) => own('unlink', path, () => void tree.remove(path))
  return {
    ...(lower.threads === undefined ? {} : { threads: lower.threads }),
    open: (path, mode) =>
      own(
        'open',
        path,
        () => new OverlayFile(path, tree.open(path, mode), lower),
        () => (mode === 'r' ? lower.open(path, 'r') : refuse('open', path, 'EROFS')),
      ),
    makeDirectory: path => own('mkdir', path, () => tree.makeDirectory(path)),
    list: path =>
      own(
        'readdir',
        path,
        () => tree.list(path),
        () => lower.list(path),
      ),
    exists: path =>
      own(
        'stat',
        path,
        () => tree.find(path) !== undefined,
        () => lower.exists(path),
      ),
    stat: path =>
      own(
        'stat',
        path,
        () => tree.stat(path),
        () => lower.stat(path),
      ),
    rename: (from, to) => own('rename', from, () => own('rename', to, () => tree.rename(from, to))),
    remove: path =>
      own('unlink', path, () => {
        if (!tree.remove(path)) refuse('unlink', path, 'ENOENT')
      }),
    removeFile: removeAll,
    removeDirectory: removeAll,
    // What is in memory is lost anyhow.
    syncDirectory: async () => {},
    syncDirectorySync: () => {},
    readFile: path =>
      own(
        'open',
        path,
        () => tree.readFile(path),
        () => lower.readFile(path),
      ),
    replaceFile: async (path, content) => own('replace', path, () => tree.replaceFile(path, content)),
    freeBytes: () => lower.freeBytes(root),
    totalBytes: () => lower.totalBytes(root),
    lock: directory => lockBelow(lower, tree, directory),
    lockForReading: directory => lockBelow(lower, tree, directory),
    copyFile: async (from, to) => {
      own('copy', to, () => tree.replaceFile(to, tree.readFile(from) ?? refuse('copy', from, 'ENOENT')))
      return 'copied'
    },
  }
}

/** Nobody else may write to what is read here. */
function lockBelow(lower: FileSystem, tree: Tree, directory: string): { release(): void } {
  const node = tree.find(directory)
  const lock = node?.lower == null ? null : lower.lockForReading(node.lower)
  return lock ?? { release() {} }
}

function refuse(operation: string, path: string, code: string): never {
  throw new DiskError(operation, path, code)
}

type Node = FileNode | DirectoryNode

class DirectoryNode {
  /** What it shows beside its own entries; null: nothing. */
  readonly lower: string | null
  /** Those that were looked at; null: removed. */
  readonly #known = new Map<string, Node | null>()
  readonly #files: FileSystem
  #below: Map<string, FileKind> | null = null

  constructor(files: FileSystem, lower: string | null) {
    this.#files = files
    this.lower = lower
  }

  get(name: string): Node | undefined {
    const known = this.#known.get(name)
    if (known !== undefined) return known ?? undefined
    const kind = this.#kindsBelow().get(name)
    if (kind === undefined) return undefined
    const path = `${this.lower}/${name}`
    const node = kind === 'directory' ? new DirectoryNode(this.#files, path) : new FileNode(this.#files, path)
    this.#known.set(name, node)
    return node
  }

  set(name: string, node: Node | null): void {
    this.#known.set(name, node)
  }

  list(): { name: string; kind: FileKind }[] {
    const kinds = new Map(this.#kindsBelow())
    for (const [name, node] of this.#known) {
      if (node === null) kinds.delete(name)
      else kinds.set(name, node instanceof DirectoryNode ? 'directory' : 'file')
    }
    return Array.from(kinds, ([name, kind]) => ({ name, kind })).sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  #kindsBelow(): Map<string, FileKind> {
    if (this.lower === null) return none
    this.#below ??= new Map(this.#files.list(this.lower).map(({ name, kind }) => [name, kind]))
    return this.#below
  }
}

const none: Map<string, FileKind> = new Map()

class FileNode {
  /** Whose bytes it has where no page is; null: none. */
  readonly lower: string | null
  size: number
  /** Of the file below. */
  readonly #lowerSize: number
  /** So many of the bytes below count. */
  #base: number
  readonly #pages = new Map<number, Buffer>()
  readonly #files: FileSystem

  constructor(files: FileSystem, lower: string | null) {
    this.#files = files
    this.lower = lower
    this.#lowerSize = lower === null ? 0 : (files.stat(lower)?.size ?? 0)
    this.size = this.#base = this.#lowerSize
  }

  /** Nothing was written to it: the file below says all. */
  get isUntouched(): boolean {
    return this.lower !== null && this.#pages.size === 0 && this.size === this.#lowerSize && this.#base === this.#lowerSize
  }

  /** How many bytes there are to read from `position` on, and how many of the first ones may be those below. */
  extent(position: number, length: number): { bytes: number; below: number } {
    const bytes = Math.max(0, Math.min(length, this.size - position))
    return { bytes, below: Math.max(0, Math.min(bytes, this.#base - position)) }
  }

  /** Over what was read from below: what was written since, and zeros where nothing ever was. */
  cover(buffer: Uint8Array, position: number, { bytes, below }: { bytes: number; below: number }): void {
    buffer.fill(0, below, bytes)
    if (this.#pages.size === 0) return
    for (let at = 0; at < bytes; ) {
      const start = (position + at) % pageBytes
      const count = Math.min(pageBytes - start, bytes - at)
      const page = this.#pages.get((position + at - start) / pageBytes)
      if (page !== undefined) buffer.set(page.subarray(start, start + count), at)
      at += count
    }
  }

  write(bytes: Uint8Array, position: number, below: (buffer: Uint8Array, position: number) => number): void {
    for (let at = 0; at < bytes.length; ) {
      const start = (position + at) % pageBytes
      const count = Math.min(pageBytes - start, bytes.length - at)
      this.#page((position + at - start) / pageBytes, count === pageBytes, below).set(bytes.subarray(at, at + count), start)
      at += count
    }
    this.size = Math.max(this.size, position + bytes.length)
  }

  truncate(size: number): void {
    if (size < this.size) {
      this.#base = Math.min(this.#base, size)
      for (const index of [...this.#pages.keys()]) if (index * pageBytes >= size) this.#pages.delete(index)
      // Should it grow again, what is cut off must not come back.
      if (size % pageBytes > 0) this.#pages.get((size - (size % pageBytes)) / pageBytes)?.fill(0, size % pageBytes)
    }
    this.size = size
  }

  #page(index: number, isOverwritten: boolean, below: (buffer: Uint8Array, position: number) => number): Buffer {
    let page = this.#pages.get(index)
    if (page === undefined) {
      page = Buffer.alloc(pageBytes)
      const bytes = this.#base - index * pageBytes
      if (!isOverwritten && bytes > 0) below(page.subarray(0, Math.min(bytes, pageBytes)), index * pageBytes)
      this.#pages.set(index, page)
    }
    return page
  }

  readWhole(): Buffer {
    if (this.isUntouched) return this.#files.readFile(this.lower!) ?? Buffer.alloc(0)
    const file = new OverlayFile(this.lower ?? '', this, this.#files)
    try {
      const content = Buffer.alloc(this.size)
      file.readSync(content, 0)
      return content
    } finally {
      file.close()
    }
  }
}

class Tree {
  readonly #files: FileSystem
  readonly #path: string
  readonly #root: DirectoryNode

  constructor(files: FileSystem, root: string) {
    this.#files = files
    this.#path = root
    this.#root = new DirectoryNode(files, root)
  }

  has(path: string): boolean {
    return path === this.#path || path.startsWith(`${this.#path}/`)
  }

  find(path: string): Node | undefined {
    if (!this.has(path)) return undefined
    let node: Node | undefined = this.#root
    for (const name of this.#namesOf(path)) {
      if (!(node instanceof DirectoryNode)) return undefined
      node = node.get(name)
    }
    return node
  }

  open(path: string, mode: OpenMode): FileNode {
    const node = this.find(path)
    if (node instanceof FileNode) return node
    if (node !== undefined) refuse('open', path, 'EISDIR')
    if (mode !== 'rw' && mode !== 'a') refuse('open', path, 'ENOENT')
    return this.#make('open', path, new FileNode(this.#files, null))
  }

  makeDirectory(path: string): void {
    let node = this.#root
    for (const name of this.#namesOf(path)) {
      const next = node.get(name) ?? new DirectoryNode(this.#files, null)
      if (!(next instanceof DirectoryNode)) refuse('mkdir', path, 'ENOTDIR')
      node.set(name, next)
      node = next
    }
  }

  list(path: string): { name: string; kind: FileKind }[] {
    const node = this.find(path)
    if (node === undefined) refuse('readdir', path, 'ENOENT')
    if (!(node instanceof DirectoryNode)) refuse('readdir', path, 'ENOTDIR')
    return node.list()
  }

  stat(path: string): { size: number; modifiedMs: number | null } | null {
    const node = this.find(path)
    if (node === undefined) return null
    if (node instanceof DirectoryNode) return { size: 0, modifiedMs: null }
    return node.isUntouched ? this.#files.stat(node.lower!) : { size: node.size, modifiedMs: null }
  }

  rename(from: string, to: string): void {
    const node = this.find(from)
    if (node === undefined) refuse('rename', from, 'ENOENT')
    this.#make('rename', to, node)
    this.remove(from)
  }

  /** False: there is nothing of that name. */
  remove(path: string): boolean {
    if (this.find(path) === undefined) return false
    const [parent, name] = this.#place('unlink', path)
    parent.set(name, null)
    return true
  }

  readFile(path: string): Buffer | null {
    const node = this.find(path)
    if (node instanceof DirectoryNode) refuse('read', path, 'EISDIR')
    return node?.readWhole() ?? null
  }

  replaceFile(path: string, content: Uint8Array): void {
    const node = new FileNode(this.#files, null)
    node.write(content, 0, () => 0)
    this.#make('replace', path, node)
  }

  #make<N extends Node>(operation: string, path: string, node: N): N {
    const [parent, name] = this.#place(operation, path)
    parent.set(name, node)
    return node
  }

  #place(operation: string, path: string): [DirectoryNode, string] {
    const slash = path.lastIndexOf('/')
    const parent = this.find(path.slice(0, slash))
    if (!(parent instanceof DirectoryNode)) refuse(operation, path, 'ENOENT')
    return [parent, path.slice(slash + 1)]
  }

  #namesOf(path: string): string[] {
    return path === this.#path ? [] : path.slice(this.#path.length + 1).split('/')
  }
}

class OverlayFile implements FileHandle {
  readonly path: string
  readonly #node: FileNode
  readonly #files: FileSystem
  #below: FileHandle | null = null

  constructor(path: string, node: FileNode, files: FileSystem) {
    this.path = path
    this.#node = node
    this.#files = files
  }

  writeSync(buffers: readonly Uint8Array[], position: number): void {
    let at = position
    for (const buffer of buffers) {
      this.#node.write(buffer, at, (into, from) => this.#file().readSync(into, from))
      at += buffer.length
    }
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    this.writeSync(buffers, position)
  }

  readSync(buffer: Uint8Array, position: number): number {
    const extent = this.#node.extent(position, buffer.length)
    if (extent.below > 0) this.#file().readSync(buffer.subarray(0, extent.below), position)
    this.#node.cover(buffer, position, extent)
    return extent.bytes
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    const extent = this.#node.extent(position, buffer.length)
    if (extent.below > 0) await this.#file().read(buffer.subarray(0, extent.below), position)
    this.#node.cover(buffer, position, extent)
    return extent.bytes
  }

  size(): number {
    return this.#node.size
  }

  truncate(size: number): void {
    this.#node.truncate(size)
  }

  async datasync(): Promise<void> {}

  datasyncSync(): void {}

  close(): void {
    this.#below?.close()
    this.#below = null
  }

  #file(): FileHandle {
    this.#below ??= this.#files.open(this.#node.lower!, 'r')
    return this.#below
  }
}
