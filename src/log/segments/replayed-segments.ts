/**
 * Writes bytes of the journal to segment files again.
 *
 * A file that is missing is made under another name, and gets its own only when all is written and the file has a beginning. If it has none,
 * the segment was removed or lost in a power cut, and the journal has only its later records: nothing can be read behind a hole. So whenever
 * this is interrupted, the next start finds no such file under the name of a segment.
 */
import type { Offset } from '../../protocol.ts'
import { type SegmentContext, segmentName } from './segment.ts'

/** `openSegments` removes files that end so. */
const replayedEnding = '.replayed'

interface Made<Owner> {
  owner: Owner
  /** The lowest position that was written to. */
  from: number
}

export class ReplayedSegments<Owner> {
  readonly #context: SegmentContext
  /** What the files contain already may be newer than the journal. */
  readonly #keepsPresent: boolean
  /** By the path that the file is to have. */
  readonly #made = new Map<string, Made<Owner>>()

  constructor(context: SegmentContext, keepsPresent: boolean) {
    this.#context = context
    this.#keepsPresent = keepsPresent
  }

  /** Throws DiskError. */
  write(owner: Owner, directory: string, segmentBase: Offset, position: number, bytes: Buffer[]): void {
    const path = `${directory}/${segmentName(segmentBase)}.log`
    const { files, handles } = this.#context
    let made = this.#made.get(path)
    if (made === undefined && !files.exists(path)) {
      handles.create(path + replayedEnding)
      made = { owner, from: position }
      this.#made.set(path, made)
    }
    if (made !== undefined) {
      // The positions need not ascend: a checkpoint may have copied older records behind newer ones (`carry.ts`).
      made.from = Math.min(made.from, position)
      handles.get(path + replayedEnding).writeSync(bytes, position)
      return
    }
    const file = handles.get(path)
    const present = this.#keepsPresent ? Math.max(file.size() - position, 0) : 0
    file.writeSync(present === 0 ? bytes : [Buffer.concat(bytes).subarray(present)], position + present)
  }

  /** All is written. `attempt` runs what the disk may refuse for the owner. */
  finish(attempt: (owner: Owner, action: () => void) => void): void {
    const { files, handles } = this.#context
    for (const [path, { owner, from }] of this.#made) {
      handles.forget(path + replayedEnding)
      if (from === 0) attempt(owner, () => files.rename(path + replayedEnding, path))
    }
  }
}
