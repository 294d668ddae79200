/**
 * What a failed sync means for the next start.
 *
 * After a failed `fsync` the kernel may mark pages as clean that never reached the disk: they can be read, and the next sync of the file
 * succeeds without writing them. A process that starts while the machine keeps running would show them to readers, acknowledge
 * retries of them and release the journal. So the process in which a sync fails leaves a mark, and the next one rewrites what it finds
 * before it relies on it.
 *
 * The mark need not survive a power cut, because the page cache does not survive it either.
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

/** Whether the page cache may contain data that no sync will write any more. A mark from before the last reboot is ignored and removed. */
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

/** Rewrites the file's content from `from` on in place, and syncs it: then it is on the disk, or this throws. */
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

/** Rejects at once when a sync fails. What is refused for another reason must not hide that: then this rejects when all have ended. */
export async function allSynced(syncs: readonly Promise<void>[]): Promise<void> {
  let refused: DiskError | null = null
  const note = (error: unknown) => {
    if (!(error instanceof DiskError) || error.isFailedSync) throw error
    refused ??= error
  }
  await Promise.all(syncs.map(sync => sync.catch(note)))
  if (refused !== null) throw refused
}
