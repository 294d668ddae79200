/** A disk on which any single call can be made to fail: calls are numbered, so that a test can go through all of them. */
import { DiskError, type FileHandle, type FileSystem, memoryFileSystem } from '../base.ts'

export interface Fault {
  /** Number of the call, from 1 on, among those that `about` takes in. */
  nth: number
  code: string
  /** Which later calls fail as well. */
  forGood: 'no' | 'file' | 'directory' | 'everything'
}

/** Called with each call; throws when that is to fail. `half`: the part of the work that a call does before it fails. */
type Check = (operation: string, path: string, half?: () => void) => void

export class FaultyDisk {
  readonly files: FileSystem
  /** What failed: operation and path of each call. */
  readonly struck: string[] = []
  fault: Fault | null = null
  #calls = 0
  readonly #sick = new Set<string>()
  readonly about: (path: string) => boolean

  constructor(disk: FileSystem, about: (path: string) => boolean) {
    this.about = about
    this.files = checkedFiles(disk, (operation, path, half) => this.#check(operation, path, half))
  }

  /** Counted from now. */
  startAt(nth: number, code: string, forGood: Fault['forGood'] = 'everything'): void {
    this.fault = { nth: this.#calls + nth, code, forGood }
  }

  #check(operation: string, path: string, half: () => void = () => {}): void {
    if (!this.about(path)) return
    this.#calls++
    if (this.fault === null) return
    const { nth, code, forGood } = this.fault
    const whole = forGood === 'everything' ? '' : forGood === 'directory' ? directoryOf(path) : path
    if (this.#calls !== nth && !this.#sick.has(whole)) return
    if (forGood !== 'no') this.#sick.add(whole)
    this.struck.push(`${operation} ${path}`)
    half()
    throw new DiskError(operation, path, code)
  }
}

/** Of a partition: what lies directly in the log's. */
function directoryOf(path: string): string {
  return path.split('/').slice(0, 3).join('/')
}

function checkedFiles(disk: FileSystem, check: Check): FileSystem {
  const sync = <A extends unknown[], R>(operation: string, call: (path: string, ...rest: A) => R) => {
    return (path: string, ...rest: A): R => {
      check(operation, path)
      return call(path, ...rest)
    }
  }
  const later = <A extends unknown[]>(operation: string, call: (path: string, ...rest: A) => Promise<void>) => {
    return async (path: string, ...rest: A): Promise<void> => {
      check(operation, path)
      await call(path, ...rest)
    }
  }
  return {
    ...disk,
    open: sync('open', (path, mode) => checkedHandle(disk.open(path, mode), check)),
    makeDirectory: sync('mkdir', disk.makeDirectory),
    list: sync('readdir', disk.list),
    exists: sync('stat', disk.exists),
    stat: sync('stat', disk.stat),
    rename: sync('rename', disk.rename),
    remove: sync('unlink', disk.remove),
    removeFile: later('unlink', disk.removeFile),
    removeDirectory: later('rmdir', disk.removeDirectory),
    syncDirectory: later('fsync', disk.syncDirectory),
    syncDirectorySync: sync('fsync', disk.syncDirectorySync),
    readFile: sync('read', disk.readFile),
    replaceFile: later('replace', disk.replaceFile),
  }
}

function checkedHandle(handle: FileHandle, check: Check): FileHandle {
  const { path } = handle
  const half = (buffers: readonly Uint8Array[], position: number) => () => {
    const bytes = Buffer.concat(buffers)
    handle.writeSync([bytes.subarray(0, bytes.length >> 1)], position)
  }
  const checked = <R>(operation: string, call: () => R): R => {
    check(operation, path)
    return call()
  }
  return {
    path,
    writeSync(buffers, position) {
      check('write', path, half(buffers, position))
      handle.writeSync(buffers, position)
    },
    async write(buffers, position) {
      check('write', path, half(buffers, position))
      await handle.write(buffers, position)
    },
    readSync: (buffer, position) => checked('read', () => handle.readSync(buffer, position)),
    read: async (buffer, position) => await checked('read', () => handle.read(buffer, position)),
    size: () => checked('fstat', () => handle.size()),
    truncate: size => checked('ftruncate', () => handle.truncate(size)),
    datasync: async () => await checked('fdatasync', () => handle.datasync()),
    datasyncSync: () => checked('fdatasync', () => handle.datasyncSync()),
    close() {
      handle.close()
      check('close', path)
    },
  }
}

/** All that is on a disk, on another one. */
export function copyOf(disk: FileSystem): FileSystem {
  const copy = memoryFileSystem()
  const walk = (path: string) => {
    copy.makeDirectory(path)
    for (const { name, kind } of disk.list(path)) {
      const inside = `${path}/${name}`
      if (kind === 'directory') {
        walk(inside)
        continue
      }
      const file = copy.open(inside, 'rw')
      file.writeSync([disk.readFile(inside)!], 0)
      file.close()
    }
  }
  walk('/data')
  return copy
}
