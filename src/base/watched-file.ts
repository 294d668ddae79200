/** What a file that others may replace at any time holds now. */
import { DiskError, type FileSystem } from './file-system.ts'

/** One that is being replaced may be missing for a moment, and counts as it was `before`; an unreadable one counts as changed, and as the same while the error is. */
export function watchedContent(files: FileSystem, path: string, before: Buffer): Buffer {
  try {
    return files.readFile(path) ?? before
  } catch (error) {
    if (!(error instanceof DiskError)) throw error
    return Buffer.from(error.message)
  }
}
