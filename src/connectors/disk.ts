/** Work on files of the worker's own machine: a disk that is full has room again, and what was to be written is then written. */
import { DiskError } from '../base.ts'
import { RetriableError } from '../connector.ts'

/** Throws RetriableError where the disk, or the process, is out of something for a while. */
export async function onDisk<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof DiskError && error.isShortage) throw new RetriableError(error.message, { cause: error })
    throw error
  }
}
