/** A disk with a page cache: unsynced data is lost in a power cut, and data whose sync failed is never written by a later sync. */

import { withHandles } from '../../test/support/with-handles.ts'
import { DiskError, type FileHandle, type FileSystem, memoryFileSystem } from '../base.ts'

/**
 * A disk with a page cache: a sync writes what is dirty to the platter. One that fails does not, and leaves all clean, as Linux does; so the
 * next one succeeds and writes nothing.
 */
export function cachedDisk() {
  const disk = memoryFileSystem()
  const platter = new Map<string, Buffer>()
  const dirty = new Set<string>()
  const faults = { sync: null as RegExp | null, write: null as RegExp | null }
  const cached = withHandles(disk, (handle, path) => ({
    writeSync(buffers, position) {
      dirty.add(path)
      handle.writeSync(buffers, position)
      if (!faults.write?.test(path)) return
      faults.write = null
      // Refused, but all of it was taken, and the kernel writes it back on its own.
      platter.set(path, contentOf(handle))
      throw new DiskError('write', path, 'ENOSPC')
    },
    async write(buffers, position) {
      dirty.add(path)
      handle.writeSync(buffers, position)
    },
    truncate(size) {
      dirty.add(path)
      handle.truncate(size)
    },
    async datasync() {
      const isDirty = dirty.delete(path)
      if (faults.sync?.test(path)) {
        faults.sync = null
        throw new DiskError('fdatasync', path, 'EIO')
      }
      if (isDirty) platter.set(path, contentOf(handle))
    },
  }))
  const files: FileSystem = {
    ...cached,
    rename(from, to) {
      disk.rename(from, to)
      const content = platter.get(from)
      if (content !== undefined) platter.set(to, content)
      if (dirty.delete(from)) dirty.add(to)
    },
  }
  /** What a power cut leaves. Names survive. */
  const survivors = () => {
    const left = memoryFileSystem()
    for (const [path, content] of platter) {
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
  return { disk, files, faults, survivors, boot, isDirty: (path: string) => dirty.has(path) }
}

function contentOf(handle: FileHandle): Buffer {
  const content = Buffer.alloc(handle.size())
  handle.readSync(content, 0)
  return content
}
