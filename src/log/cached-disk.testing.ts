/** A disk with a page cache: unsynced data is lost in a power cut, and data whose sync failed is never written by a later sync. */

import { withHandles } from '../../test/support/with-handles.ts'
import { DiskError, type FileHandle, type FileSystem, memoryFileSystem } from '../base.ts'

/** A file, whatever its name. */
interface Node {
  /** What a power cut leaves of it; null: nothing was ever synced. */
  platter: Buffer | null
  dirty: boolean
}

/**
 * A disk with a page cache: a sync writes what is dirty to the platter. One that fails does not, and leaves all clean, as Linux does; so the
 * next one succeeds and writes nothing.
 */
export function cachedDisk() {
  const disk = memoryFileSystem()
  const nodes = new Map<string, Node>()
  const nodeOf = (path: string): Node => {
    let node = nodes.get(path)
    if (node === undefined) nodes.set(path, (node = { platter: null, dirty: false }))
    return node
  }
  const faults = { sync: null as RegExp | null, write: null as RegExp | null }
  const cached = withHandles(disk, (handle, path) => {
    const node = nodeOf(path)
    return {
      writeSync(buffers, position) {
        node.dirty = true
        handle.writeSync(buffers, position)
        if (!faults.write?.test(path)) return
        faults.write = null
        // Refused, but all of it was taken, and the kernel writes it back on its own.
        node.platter = contentOf(handle)
        throw new DiskError('write', path, 'ENOSPC')
      },
      async write(buffers, position) {
        node.dirty = true
        handle.writeSync(buffers, position)
      },
      truncate(size) {
        node.dirty = true
        handle.truncate(size)
      },
      async datasync() {
        const isDirty = node.dirty
        node.dirty = false
        if (faults.sync?.test(path)) {
          faults.sync = null
          throw new DiskError('fdatasync', path, 'EIO')
        }
        if (isDirty) node.platter = contentOf(handle)
      },
    }
  })
  const files: FileSystem = {
    ...cached,
    rename(from, to) {
      disk.rename(from, to)
      const node = nodes.get(from)
      if (node === undefined) return
      nodes.delete(from)
      nodes.set(to, node)
    },
  }
  /** What a power cut leaves. Names survive. */
  const survivors = () => {
    const left = memoryFileSystem()
    for (const [path, { platter: content }] of nodes) {
      if (content === null) continue
      left.makeDirectory(path.slice(0, path.lastIndexOf('/')))
      const file = left.open(path, 'rw')
      file.writeSync([content], 0)
      file.close()
    }
    return left
  }
  const boot = (run: string) => {
    disk.makeDirectory('/proc/sys/kernel/random')
    const file = disk.open('/proc/sys/kernel/random/boot_id', 'rw')
    file.writeSync([Buffer.from(run)], 0)
    file.close()
  }
  boot('first')
  return { disk, files, faults, survivors, boot, isDirty: (path: string) => nodes.get(path)?.dirty === true }
}

function contentOf(handle: FileHandle): Buffer {
  const content = Buffer.alloc(handle.size())
  handle.readSync(content, 0)
  return content
}
