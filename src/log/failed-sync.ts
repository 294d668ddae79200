/**
 * What a failed sync means for the next start.
 *
 * After a failed `fsync` the kernel may call pages clean that never reached the disk: they are read as if all were well, and the next sync
 * of the file succeeds without writing them. A process that starts again while the machine runs on would show them to readers, acknowledge
 * their repetition and let go of the journal. So the process that meets a failed sync leaves a mark, and the next one writes what it finds
 * once more before it believes it.
 *
 * The mark itself need not survive a power cut: that takes the page cache as well, and what is read then is what the disk has.
 */
import { DiskError, type FileSystem } from '../base.ts'

/** Written, and read, at once. */
const sliceBytes = 1 << 20

function markOf(directory: string): string {
  return `${directory}/journal/failed-sync`
}

/** `run`: identity of the run of the operating system, empty when unknown. Throws DiskError. */
export function markFailedSync(files: FileSystem, directory: string, run: string): void {
  const file = files.open(markOf(directory), 'rw')
  try {
    const content = Buffer.from(run)
    file.writeSync([content], 0)
    file.truncate(content.length)
  } finally {
    file.close()
  }
}

/** Whether the page cache may hold what no sync will write any more. A mark of an earlier run of the machine says nothing, and goes. */
export function mayLackWrites(files: FileSystem, directory: string, run: string): boolean {
  const mark = files.readFile(markOf(directory))
  if (mark === null) return false
  if (mark.toString() === run) return true
  unmarkFailedSync(files, directory)
  return false
}

/** All was written again. */
export function unmarkFailedSync(files: FileSystem, directory: string): void {
  files.remove(markOf(directory))
}

/** Journal and state log, before they are read. */
export async function rewriteJournal(files: FileSystem, directory: string): Promise<void> {
  for (const { name, kind } of files.list(`${directory}/journal`))
    if (kind === 'file' && /^\d{8}\.journal$|^state\.log$/.test(name)) await rewrite(files, `${directory}/journal/${name}`, 0)
}

/** Writes what the file holds from `from` on in its place again, and syncs it: now it is there, or this throws. */
export async function rewrite(files: FileSystem, path: string, from: number): Promise<void> {
  const file = files.open(path, 'r+')
  try {
    const slice = Buffer.allocUnsafeSlow(Math.min(sliceBytes, Math.max(file.size() - from, 0)))
    for (let at = from, got = 0; ; at += got) {
      got = await file.read(slice, at)
      if (got === 0) break
      await file.write([slice.subarray(0, got)], at)
    }
    await file.datasync()
  } finally {
    file.close()
  }
}

export function isFailedSync(error: unknown): error is DiskError {
  return error instanceof DiskError && error.isFailedSync
}
