/**
 * A disk that forgets what was not synced.
 *
 * Wraps the file system in memory and also keeps what a power cut would leave: for each file the synced bytes
 * and the writes since, for each directory the synced names and the changes since. `image` cuts the power: everything synced plus a
 * choice of the rest, writes torn at sector boundaries (the model of ALICE and dm-log-writes). Faults can be planted on any call.
 */
import { posix } from 'node:path'
import { DiskError, type FileHandle, type FileSystem, memoryFileSystem, type OpenMode } from '../../src/base.ts'
import { type Faults, faultInjector, type Operation } from './faults.ts'
import {
  type Cut,
  type DirectoryNode,
  directoryNode,
  type FileNode,
  fileNode,
  type NameChange,
  type Node,
  survivors,
  type Unsynced,
  unsyncedOf,
} from './power-cut.ts'
import type { SeededRandom } from './random.ts'

/** What a disk holds after a crash, and the machine's boot id. */
export type Image = FileSystem

export interface Disk {
  readonly files: FileSystem
  readonly faults: Faults
  /** What would be found after a crash at this moment. The disk itself goes on. */
  image(cut: Cut, random: SeededRandom): Image
  /** Called around every sync: before it, and when it is done but nobody knows yet. */
  onSync: ((moment: 'before' | 'after', path: string) => void) | null
  /** Called before every change of a name or of a file. */
  onStep: (() => void) | null
  /** Turns one bit over, on the platter and in the cache. */
  flipBit(path: string, bit: number): void
  /** Syncs report success and do nothing: the canary that a simulation must find. */
  lieAboutSyncs: boolean
  /** Every file's path. */
  paths(): string[]
}

export interface DiskOptions {
  image: Image | undefined
  random: SeededRandom
  /** How long a call that waits for the disk takes. */
  delay(): Promise<void>
}

export function simulatedDisk(options: DiskOptions): Disk {
  return new SimulatedDisk(options)
}

/** Of images that the end of a process left. */
const unsyncedIn = new WeakMap<Image, Unsynced>()

class SimulatedDisk implements Disk {
  onSync: Disk['onSync'] = null
  onStep: Disk['onStep'] = null
  lieAboutSyncs = false
  readonly faults: Faults
  readonly files: FileSystem
  readonly #live: FileSystem
  readonly #root: DirectoryNode
  readonly #random: SeededRandom
  readonly #delay: () => Promise<void>
  /** Changes of names that no directory sync has covered, oldest first. */
  #changes: NameChange[] = []

  constructor({ image, random, delay }: DiskOptions) {
    this.#live = image ?? memoryFileSystem()
    if (image === undefined) writeBootId(this.#live, random)
    this.#random = random
    this.#delay = delay
    const unsynced = unsyncedIn.get(this.#live)
    unsyncedIn.delete(this.#live)
    this.#root = adopt(this.#live, '/', unsynced?.root)
    this.#changes = unsynced?.changes ?? []
    this.faults = faultInjector()
    this.files = this.#fileSystem()
  }

  image(cut: Cut, random: SeededRandom): Image {
    const image = survivors(this.#root, this.#changes, cut, random)
    if (cut === 'process') unsyncedIn.set(image, unsyncedOf(this.#root, this.#changes))
    else writeBootId(image, random)
    return image
  }

  flipBit(path: string, bit: number): void {
    const node = this.#find(path)
    if (node?.kind !== 'file') throw new DiskError('flip', path, 'ENOENT')
    const handle = this.#live.open(path, 'rw')
    const byte = Buffer.alloc(1)
    for (const file of [handle, node.platter]) {
      if (file.readSync(byte, bit >> 3) === 0) continue
      byte[0]! ^= 1 << (bit & 7)
      file.writeSync([byte], bit >> 3)
    }
    handle.close()
  }

  paths(): string[] {
    const found: string[] = []
    const walk = (path: string, directory: DirectoryNode) => {
      for (const [name, node] of directory.live) {
        if (node.kind === 'directory') walk(posix.join(path, name), node)
        else found.push(posix.join(path, name))
      }
    }
    walk('/', this.#root)
    return found.filter(path => path !== bootIdPath).sort()
  }

  #fileSystem(): FileSystem {
    const live = this.#live
    return {
      open: (path, mode) => this.#open(path, mode),
      makeDirectory: path => this.#makeDirectory(path),
      list: path => live.list(path),
      exists: path => live.exists(path),
      stat: path => live.stat(path),
      rename: (from, to) => {
        this.onStep?.()
        this.faults.check('rename', from)
        live.rename(from, to)
        this.#moved(from, to)
      },
      remove: path => {
        this.onStep?.()
        this.faults.check('remove', path)
        live.remove(path)
        this.#unlinked(path)
      },
      removeFile: async path => {
        if (live.exists(path)) this.files.remove(path)
      },
      removeDirectory: async path => this.#removeDirectory(path),
      syncDirectory: async path => {
        this.onSync?.('before', path)
        const covered = this.#changesOf(path)
        await this.#delay()
        this.#syncNames(path, covered)
        this.onSync?.('after', path)
      },
      syncDirectorySync: path => {
        this.onSync?.('before', path)
        this.#syncNames(path, this.#changesOf(path))
      },
      readFile: path => {
        this.faults.check('read', path)
        return live.readFile(path)
      },
      replaceFile: (path, content) => replaceFile(this.files, path, content),
      totalBytes: path => live.totalBytes(path),
      freeBytes: path => Math.min(live.freeBytes(path), this.faults.freeBytes()),
      lock: directory => live.lock(directory),
      lockForReading: directory => live.lockForReading(directory),
      copyFile: async (from, to) => {
        await replaceFile(this.files, to, this.files.readFile(from)!)
        return 'copied'
      },
    }
  }

  #open(path: string, mode: OpenMode): FileHandle {
    const known = this.#find(path)
    if (known === undefined && mode === 'rw') this.onStep?.()
    this.faults.check(known === undefined && mode === 'rw' ? 'create' : 'open', path)
    const handle = this.#live.open(path, mode)
    if (known?.kind === 'file') return new SimulatedFile(this, handle, known)
    const node = fileNode(memoryFileSystem().open('/content', 'rw'), this.#live.open(path, 'r'))
    this.#linked(path, node)
    return new SimulatedFile(this, handle, node)
  }

  #makeDirectory(path: string): void {
    this.onStep?.()
    this.faults.check('create', path)
    const before = missingDirectories(this.#live, path)
    this.#live.makeDirectory(path)
    for (const made of before) this.#linked(made, directoryNode())
  }

  #removeDirectory(path: string): void {
    if (!this.#live.exists(path)) return
    for (const { name, kind } of this.#live.list(path)) {
      const child = posix.join(path, name)
      if (kind === 'directory') this.#removeDirectory(child)
      else this.files.remove(child)
    }
    this.onStep?.()
    this.faults.check('remove', path)
    void this.#live.removeDirectory(path)
    this.#unlinked(path)
  }

  #find(path: string): Node | undefined {
    let node: Node | undefined = this.#root
    for (const name of posix.resolve('/', path).split('/').filter(Boolean)) {
      if (node?.kind !== 'directory') return undefined
      node = node.live.get(name)
    }
    return node
  }

  #parent(path: string): DirectoryNode {
    const parent = this.#find(posix.dirname(posix.resolve('/', path)))
    if (parent?.kind !== 'directory') throw new DiskError('lookup', path, 'ENOENT')
    return parent
  }

  #change(steps: NameChange['steps']): void {
    for (const { directory, name, node } of steps) {
      if (node === null) directory.live.delete(name)
      else directory.live.set(name, node)
    }
    this.#changes.push({ steps })
  }

  #linked(path: string, node: Node): void {
    this.#change([{ directory: this.#parent(path), name: posix.basename(path), node }])
  }

  #unlinked(path: string): void {
    this.#change([{ directory: this.#parent(path), name: posix.basename(path), node: null }])
  }

  #moved(from: string, to: string): void {
    const source = this.#parent(from)
    const node = source.live.get(posix.basename(from))!
    this.#change([
      { directory: source, name: posix.basename(from), node: null },
      { directory: this.#parent(to), name: posix.basename(to), node },
    ])
  }

  #changesOf(path: string): NameChange[] {
    const directory = this.#find(path)
    if (directory?.kind !== 'directory') throw new DiskError('open', path, 'ENOENT')
    return this.#changes.filter(change => change.steps.some(step => step.directory === directory))
  }

  #syncNames(path: string, covered: readonly NameChange[]): void {
    this.faults.check('syncDirectory', path)
    if (this.lieAboutSyncs) return
    for (const { steps } of covered)
      for (const { directory, name, node } of steps) {
        if (node === null) directory.durable.delete(name)
        else directory.durable.set(name, node)
      }
    this.#changes = this.#changes.filter(change => !covered.includes(change))
  }

  /** A failed sync: the kernel calls the pages clean, so what did not reach the platter never will. */
  failSync(node: FileNode): void {
    for (const write of node.pending) if (this.#random.chance(0.5)) apply(node.platter, write)
    node.pending = []
  }

  delay(): Promise<void> {
    return this.#delay()
  }
}

class SimulatedFile implements FileHandle {
  readonly path: string
  readonly #disk: SimulatedDisk
  readonly #live: FileHandle
  readonly #node: FileNode

  constructor(disk: SimulatedDisk, live: FileHandle, node: FileNode) {
    this.path = live.path
    this.#disk = disk
    this.#live = live
    this.#node = node
  }

  writeSync(buffers: readonly Uint8Array[], position: number): void {
    this.#disk.onStep?.()
    const bytes = Buffer.concat(buffers)
    const { error, taken } = this.#disk.faults.takeSpace(this.path, bytes.length)
    const written = bytes.subarray(0, taken)
    if (taken > 0 || error === null) this.#live.writeSync([written], position)
    if (taken > 0) this.#node.pending.push({ kind: 'write', position, bytes: written })
    if (error !== null) throw error
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    await this.#disk.delay()
    this.writeSync(buffers, position)
  }

  readSync(buffer: Uint8Array, position: number): number {
    this.#disk.faults.check('read', this.path)
    return this.#live.readSync(buffer, position)
  }

  async read(buffer: Uint8Array, position: number): Promise<number> {
    await this.#disk.delay()
    return this.readSync(buffer, position)
  }

  size(): number {
    return this.#live.size()
  }

  truncate(size: number): void {
    this.#disk.onStep?.()
    this.#disk.faults.check('truncate', this.path)
    this.#live.truncate(size)
    this.#node.pending.push({ kind: 'truncate', size })
  }

  async datasync(): Promise<void> {
    this.#disk.onSync?.('before', this.path)
    const covered = this.#node.pending.length
    await this.#disk.delay()
    this.#sync(covered)
    this.#disk.onSync?.('after', this.path)
  }

  datasyncSync(): void {
    this.#disk.onSync?.('before', this.path)
    this.#sync(this.#node.pending.length)
  }

  #sync(covered: number): void {
    // Throws EBADF on a handle that was closed meanwhile.
    this.#live.datasyncSync()
    try {
      this.#disk.faults.check('datasync', this.path)
    } catch (error) {
      this.#disk.failSync(this.#node)
      throw error
    }
    if (this.#disk.lieAboutSyncs) return
    for (const write of this.#node.pending.splice(0, covered)) apply(this.#node.platter, write)
  }

  close(): void {
    this.#live.close()
  }
}

function apply(platter: FileHandle, write: FileNode['pending'][number]): void {
  if (write.kind === 'write') platter.writeSync([write.bytes], write.position)
  else platter.truncate(write.size)
}

/** As the local disk does it, in steps between which the power can go. */
async function replaceFile(files: FileSystem, path: string, content: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`
  const file = files.open(temporary, 'rw')
  try {
    file.truncate(0)
    file.writeSync([content], 0)
    await file.datasync()
  } finally {
    file.close()
  }
  files.rename(temporary, path)
  await files.syncDirectory(posix.dirname(path))
}

function missingDirectories(files: FileSystem, path: string): string[] {
  const missing: string[] = []
  for (let at = posix.resolve('/', path); !files.exists(at); at = posix.dirname(at)) missing.unshift(at)
  return missing
}

/** Where Linux tells one start of the machine from the next: a killed process finds the same, after a power cut it differs. */
const bootIdPath = '/proc/sys/kernel/random/boot_id'

function writeBootId(files: FileSystem, random: SeededRandom): void {
  files.makeDirectory(posix.dirname(bootIdPath))
  const file = files.open(bootIdPath, 'rw')
  file.writeSync([Buffer.from(`${random.below(2 ** 32)}`.padStart(10, '0'))], 0)
  file.close()
}

/** Everything that an image holds is durable, but for what is known to be unsynced. */
function adopt(files: FileSystem, path: string, known?: Node): DirectoryNode {
  const directory = known?.kind === 'directory' ? known : directoryNode()
  const entries = files.list(path)
  // Somebody may have changed the image.
  for (const name of directory.live.keys()) if (!entries.some(entry => entry.name === name)) directory.live.delete(name)
  for (const { name, kind } of entries) {
    const child = posix.join(path, name)
    const unsynced = directory.live.get(name)
    const node = kind === 'directory' ? adopt(files, child, unsynced) : adoptFile(files, child, unsynced)
    if (node === unsynced) continue
    directory.live.set(name, node)
    directory.durable.set(name, node)
  }
  return directory
}

function adoptFile(files: FileSystem, path: string, known?: Node): FileNode {
  const cache = files.open(path, 'r')
  if (known?.kind === 'file') {
    known.cache = cache
    return known
  }
  const platter = memoryFileSystem().open('/content', 'rw')
  platter.writeSync([files.readFile(path)!], 0)
  return fileNode(platter, cache)
}

export type { Operation }
