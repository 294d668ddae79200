/** For tests that watch what is done to files, or disturb it. */
import type { FileHandle, FileSystem } from '../../src/base.ts'

/** The disk, with files that do some things differently: `change` gets the file as it was opened, and returns what to replace, if anything. */
export function withHandles(disk: FileSystem, change: (handle: FileHandle, path: string) => Partial<FileHandle> | null): FileSystem {
  return {
    ...disk,
    open(path, mode) {
      const handle = disk.open(path, mode)
      return { ...methodsOf(handle), ...change(handle, path) }
    },
  }
}

function methodsOf(handle: FileHandle): FileHandle {
  return {
    path: handle.path,
    writeSync: (buffers, position) => handle.writeSync(buffers, position),
    write: (buffers, position) => handle.write(buffers, position),
    readSync: (buffer, position) => handle.readSync(buffer, position),
    read: (buffer, position) => handle.read(buffer, position),
    size: () => handle.size(),
    truncate: size => handle.truncate(size),
    datasync: () => handle.datasync(),
    datasyncSync: () => handle.datasyncSync(),
    close: () => handle.close(),
  }
}
