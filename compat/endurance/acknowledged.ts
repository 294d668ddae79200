/** Which partitions acknowledge something: read from the events of the workloads while their writers go on. */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs'

export class Acknowledged {
  /** How far each file was read. */
  readonly #read: Map<string, number>
  /** All partitions that ever did, as `file/partition`. */
  readonly known = new Set<string>()

  constructor(files: readonly string[]) {
    this.#read = new Map(files.map(file => [file, 0]))
  }

  /** Those that did since the call before. */
  take(): Set<string> {
    const since = new Set<string>()
    for (const [file, from] of this.#read) {
      if (!existsSync(file)) continue
      const text = readFrom(file, from)
      const whole = text.lastIndexOf('\n') + 1
      this.#read.set(file, from + Buffer.byteLength(text.slice(0, whole)))
      for (const [, partition] of text.slice(0, whole).matchAll(/^acked (\d+) /gm)) since.add(`${file}/${partition}`)
    }
    for (const each of since) this.known.add(each)
    return since
  }
}

function readFrom(file: string, from: number): string {
  const fd = openSync(file, 'r')
  try {
    const bytes = Buffer.alloc(fstatSync(fd).size - from)
    return bytes.toString('utf8', 0, readSync(fd, bytes, 0, bytes.length, from))
  } finally {
    closeSync(fd)
  }
}
